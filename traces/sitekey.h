/*
 * Site key: one number for "where a call came from" (return address and stack height), the same in
 * a trace and in the running program, whatever address randomisation did.
 */
#ifndef TRACE_SITEKEY_H
#define TRACE_SITEKEY_H

#include <stddef.h>
#include <stdint.h>

/* 64-bit finaliser (Stafford's variant 13 of the MurmurHash3 mixer). */
static inline uint64_t site_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* Key of a module: of its build id's bytes or, where it has none, of its file's base name. FNV-1a.
 */
static inline uint64_t site_module_key(const void *id, size_t bytes)
{
	const unsigned char *byte = id;
	uint64_t key = 0xcbf29ce484222325u;

	while (bytes--)
		key = (key ^ *byte++) * 0x100000001b3u;
	return key;
}

/*
 * Key of a site. offset: return address less the module's load bias; height: bytes from where the
 * thread's stack begins down to the hook's canonical frame address, 0 when unknown. Never 0: that
 * is "no site".
 */
static inline uint64_t site_key(uint64_t module_key, uint64_t offset, uint32_t height)
{
	uint64_t key = site_mix(module_key + site_mix(offset ^ ((uint64_t)height << 40 | height)));

	return key ? key : 1;
}

/* Height for a key; 0 when cfa lies outside the 4 GiB below begin (coroutine, signal stack). */
static inline uint32_t site_height(uintptr_t begin, uintptr_t cfa)
{
	uintptr_t height = begin - cfa;

	return height <= UINT32_MAX ? (uint32_t)height : 0;
}

#endif
