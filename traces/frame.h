/* Frames of a trace: their kinds, their limits, and one frame's way between file and content. */
#ifndef FRAME_H
#define FRAME_H

#include "bytes.h"

#include <sys/types.h>

/* The first byte of a frame's content is its kind. */
enum frame_kind {
	FRAME_SKIPPABLE = 0, /* no content: for somebody else */
	FRAME_HEADER = 'h',
	FRAME_DEFINITIONS = 'd',
	FRAME_EVENTS = 'e',
	FRAME_LAST = 'l',
	FRAME_INDEX = 'i',
};

#define FRAME_MAGIC       "haktrace" /* the first frame's first eight bytes */
#define FRAME_MAGIC_BYTES 8
#define FRAME_CONTENT_MAX (1u << 25) /* bytes of a frame's content */
#define FRAME_BYTES_MIN   8
#define FRAME_BYTES_MAX   (FRAME_CONTENT_MAX + (1u << 20))

/* Skippable frames and the seek table, in the words of zstd's documents. */
#define FRAME_ZSTD_MAGIC        0xfd2fb528u
#define FRAME_SKIPPABLE_MAGIC   0x184d2a50u /* and the fifteen above */
#define FRAME_INDEX_MAGIC       0x184d2a5bu
#define FRAME_SEEK_TABLE_MAGIC  0x184d2a5eu
#define FRAME_SEEK_FOOTER_MAGIC 0x8f92eab1u
#define FRAME_SKIPPABLE_HEAD    8u
#define FRAME_SEEK_FOOTER       9u
#define FRAME_SEEK_ENTRY        8u

static inline uint32_t frame_u32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline void frame_put_u32(uint8_t *p, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(value >> (8 * i));
}

/* Makes frames of contents; a frame's checksum is on and its content's size is in its head. */
struct frame_maker;

struct frame_maker *frame_maker_create(void); /* NULL: out of memory */
/* Frames are made faster from now on, and larger. */
void frame_maker_hurry(struct frame_maker *m);
void frame_maker_destroy(struct frame_maker *m);

/* Puts content's frame into *frame in place of what it held; 0 or -ENOMEM. */
int frame_make(struct frame_maker *m, const struct bytes *content, struct bytes *frame);

/* Takes frames apart. */
struct frame_taker;

struct frame_taker *frame_taker_create(void);
void frame_taker_destroy(struct frame_taker *t);

/* Looks at the head of a zstd frame: 0 and the size of its content, or -EBADMSG. */
int frame_check(const void *frame, size_t size, uint64_t *content, const char **why);

/*
 * The content of a whole frame, with room behind it for a window. Returns 0, -ENOMEM or -EBADMSG,
 * and then *why says what is wrong.
 */
int frame_take(struct frame_taker *t, const void *frame, size_t size, struct bytes *content,
	       const char **why);

/*
 * The first size bytes of a frame's content, of which data holds the beginning; or fewer, *size
 * then says how many. Returns as frame_take().
 */
int frame_peek(struct frame_taker *t, const void *data, size_t available, void *content,
	       size_t *size, const char **why);

/*
 * Bytes of the frame (zstd or skippable) that data begins with. Returns 0, -EAGAIN: it goes on
 * behind data's end; -EBADMSG: that is no frame.
 */
int frame_measure(const void *data, size_t available, uint64_t *size);

/* Reads size bytes at offset; 0, -ENODATA (the file ends before) or a negative errno. */
int frame_read(int fd, uint64_t offset, void *data, size_t size);

#endif
