#include "frame.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>
#include <zstd_errors.h>

#define LEVEL       1
#define LEVEL_HURRY -1 /* half as fast again, a tenth to a fifth larger */
#define MATCH_HURRY 7  /* bytes at least: up to a quarter faster, 2 % larger at most */

struct frame_maker {
	ZSTD_CCtx *context;
};

struct frame_taker {
	ZSTD_DCtx *context;
};

struct frame_maker *frame_maker_create(void)
{
	struct frame_maker *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->context = ZSTD_createCCtx();
	if (!m->context) {
		free(m);
		return NULL;
	}
	ZSTD_CCtx_setParameter(m->context, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(m->context, ZSTD_c_checksumFlag, 1);
	return m;
}

void frame_maker_hurry(struct frame_maker *m)
{
	ZSTD_CCtx_setParameter(m->context, ZSTD_c_compressionLevel, LEVEL_HURRY);
	ZSTD_CCtx_setParameter(m->context, ZSTD_c_minMatch, MATCH_HURRY);
}

void frame_maker_destroy(struct frame_maker *m)
{
	if (!m)
		return;
	ZSTD_freeCCtx(m->context);
	free(m);
}

int frame_make(struct frame_maker *m, const struct bytes *content, struct bytes *frame)
{
	size_t made;

	frame->size = 0;
	if (content->failed || !bytes_reserve(frame, ZSTD_compressBound(content->size)))
		return -ENOMEM;
	made = ZSTD_compress2(m->context, frame->data, frame->capacity, content->data,
			      content->size);
	if (ZSTD_isError(made))
		return -ENOMEM;
	frame->size = made;
	return 0;
}

struct frame_taker *frame_taker_create(void)
{
	struct frame_taker *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->context = ZSTD_createDCtx();
	if (!t->context) {
		free(t);
		return NULL;
	}
	ZSTD_DCtx_setParameter(t->context, ZSTD_d_windowLogMax, 25);
	return t;
}

void frame_taker_destroy(struct frame_taker *t)
{
	if (!t)
		return;
	ZSTD_freeDCtx(t->context);
	free(t);
}

static int zstd_failure(size_t result, const char **why)
{
	switch (ZSTD_getErrorCode(result)) {
	case ZSTD_error_memory_allocation:
		*why = "out of memory";
		return -ENOMEM;
	case ZSTD_error_checksum_wrong:
		*why = "checksum mismatch";
		return -EBADMSG;
	default:
		*why = "damaged compressed data";
		return -EBADMSG;
	}
}

int frame_check(const void *frame, size_t size, uint64_t *content, const char **why)
{
	unsigned long long bytes = ZSTD_getFrameContentSize(frame, size);
	unsigned descriptor;

	*why = "damaged head of a zstd frame";
	if (size < FRAME_BYTES_MIN || frame_u32(frame) != FRAME_ZSTD_MAGIC ||
	    bytes == ZSTD_CONTENTSIZE_ERROR)
		return -EBADMSG;
	*why = "a zstd frame that does not say its content's size, or says more than 32 MiB";
	if (bytes > FRAME_CONTENT_MAX)
		return -EBADMSG;
	*why = "a zstd frame without a checksum";
	descriptor = ((const uint8_t *)frame)[4];
	if (!(descriptor & 4))
		return -EBADMSG;
	*why = "damaged head of a zstd frame";
	if (descriptor & 0x18) /* an unused and a reserved bit */
		return -EBADMSG;
	*content = bytes;
	return 0;
}

int frame_take(struct frame_taker *t, const void *frame, size_t size, struct bytes *content,
	       const char **why)
{
	uint64_t bytes;
	size_t taken;

	if (frame_check(frame, size, &bytes, why))
		return -EBADMSG;
	*why = "out of memory";
	content->size = 0;
	if (!bytes_reserve(content, bytes + VARINT_MAX))
		return -ENOMEM;
	taken = ZSTD_decompressDCtx(t->context, content->data, bytes, frame, size);
	if (ZSTD_isError(taken))
		return zstd_failure(taken, why);
	content->size = taken;
	memset(content->data + taken, 0, VARINT_MAX);
	return 0;
}

int frame_peek(struct frame_taker *t, const void *data, size_t available, void *content,
	       size_t *size, const char **why)
{
	ZSTD_inBuffer in = {data, available, 0};
	ZSTD_outBuffer out = {content, *size, 0};

	ZSTD_DCtx_reset(t->context, ZSTD_reset_session_only);
	while (out.pos < out.size) {
		size_t before = in.pos + out.pos;
		size_t result = ZSTD_decompressStream(t->context, &out, &in);

		if (ZSTD_isError(result))
			return zstd_failure(result, why);
		if (!result || in.pos + out.pos == before)
			break;
	}
	ZSTD_DCtx_reset(t->context, ZSTD_reset_session_only);
	*size = out.pos;
	return 0;
}

int frame_measure(const void *data, size_t available, uint64_t *size)
{
	size_t bytes;

	if (available < FRAME_SKIPPABLE_HEAD)
		return -EAGAIN;
	if ((frame_u32(data) & ~15u) == FRAME_SKIPPABLE_MAGIC) {
		*size = FRAME_SKIPPABLE_HEAD + (uint64_t)frame_u32((const uint8_t *)data + 4);
		return *size <= available ? 0 : -EAGAIN;
	}
	if (frame_u32(data) != FRAME_ZSTD_MAGIC)
		return -EBADMSG;
	bytes = ZSTD_findFrameCompressedSize(data, available);
	if (ZSTD_isError(bytes))
		return ZSTD_getErrorCode(bytes) == ZSTD_error_srcSize_wrong ? -EAGAIN : -EBADMSG;
	*size = bytes;
	return 0;
}

int frame_read(int fd, uint64_t offset, void *data, size_t size)
{
	uint8_t *at = data;

	while (size) {
		ssize_t got = pread(fd, at, size, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -ENODATA;
		at += got;
		offset += (uint64_t)got;
		size -= (size_t)got;
	}
	return 0;
}
