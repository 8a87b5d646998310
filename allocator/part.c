/* The parts of hakmem that its options switch off, for tools that measure what each is worth. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "class.h"
#include "hakmem.h"
#include "option.h"

/* Sizes that the part of an option serves. */
#define SIZES_tls   0, UINT64_MAX
#define SIZES_tiny  0, TINY_MOST
#define SIZES_l25   MID_MOST + 1, LARGE_MOST
#define SIZES_whale LARGE_MOST + 1, UINT64_MAX

static const struct {
	const char *option;
	const char *off;
	size_t value; /* in struct options: its first byte is 0 when the part is off */
	uint64_t from_bytes, to_bytes;
} parts[] = {
#define PART(key, standard, most, text)                                                            \
	{#key, #key "=0", offsetof(struct options, key), SIZES_##key},
	OPTIONS(PART)
#undef PART
		{"rules", "rules=", offsetof(struct options, rules), 0, UINT64_MAX},
	{"learn", "learn=off", offsetof(struct options, learn), 0, UINT64_MAX},
};

int hak_part_get(unsigned number, struct hak_part *part)
{
	if (number >= sizeof(parts) / sizeof(parts[0]))
		return -ENOENT;
	*part = (struct hak_part){
		.on = ((const char *)&options)[parts[number].value] != 0,
		.from_bytes = parts[number].from_bytes,
		.to_bytes = parts[number].to_bytes,
	};
	strcpy(part->option, parts[number].option);
	strcpy(part->off, parts[number].off);
	return 0;
}
