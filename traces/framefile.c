#include "framefile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define END_FRAMES 1024 /* what the frame of the last facts and the last one cost beside these */
#define END_ENTRY  40   /* a frame's entry in the index, at most */

int framefile_init(struct framefile *f)
{
	*f = (struct framefile){.fd = -1, .maker = frame_maker_create()};
	return f->maker ? 0 : -ENOMEM;
}

void framefile_fini(struct framefile *f)
{
	bytes_free(&f->content);
	bytes_free(&f->frame);
	frame_maker_destroy(f->maker);
	index_fini(&f->index);
}

int framefile_adopt(struct framefile *f, int fd)
{
	struct stat st;

	f->fd = fd;
	if (fstat(fd, &st))
		return -errno;
	f->regular = S_ISREG(st.st_mode);
	return 0;
}

/* Empties a file that nobody else writes. Where files cannot be locked nobody is known to. */
static int claim(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	if (flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
		return -EBUSY;
	/* An empty file is left as it is: one that was cut, be it at 0, is written to the disk when
	 * it is closed, by ext4 for one, and whoever closes it waits. */
	return fstat(fd, &st) || (st.st_size && ftruncate(fd, 0)) ? -errno : 0;
}

int framefile_open(struct framefile *f, const char *path)
{
	bool standard = !strcmp(path, "-");
	int fd = standard ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
			  : open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	int err = fd < 0 ? -errno : standard ? 0 : claim(fd);

	if (!err)
		return framefile_adopt(f, fd);
	if (fd >= 0)
		close(fd);
	return err;
}

static int write_all(struct framefile *f, const struct bytes *data)
{
	const uint8_t *at = data->data;
	size_t left = data->size;

	while (left) {
		ssize_t put = write(f->fd, at, left);
		int err = put < 0 ? -errno : -EIO;

		if (put > 0) {
			at += put;
			left -= (size_t)put;
			continue;
		}
		if (err == -EINTR)
			continue;
		/* What a full disk took of this frame goes again: the file ends with a
		 * whole one.
		 */
		if (f->regular && ftruncate(f->fd, (off_t)f->written))
			f->regular = false;
		return err;
	}
	f->written += data->size;
	return 0;
}

/* The frame leaves room below the limit for what ends the file. The header is always written. */
static bool fits(const struct framefile *f)
{
	uint64_t entries = f->index.n_entries + 3;
	uint64_t end = FRAMEFILE_END_FACTS + END_FRAMES + entries * END_ENTRY +
		       index_seek_table_bytes(entries);

	return !f->limit || !framefile_headed(f) || f->full ||
	       f->written + f->frame.size + end <= f->limit;
}

int framefile_write(struct framefile *f, struct index_entry entry)
{
	int err = frame_make(f->maker, &f->content, &f->frame);

	if (!err && !fits(f)) {
		f->full = true;
		err = -EFBIG;
	}
	if (!err) {
		entry.bytes = (uint32_t)f->frame.size;
		entry.content = (uint32_t)f->content.size;
		err = index_add(&f->index, entry);
	}
	if (!err)
		err = write_all(f, &f->frame);
	f->content.size = 0;
	return err;
}

int framefile_end(struct framefile *f)
{
	struct bytes end = {0};
	size_t index_bytes;
	int err;

	index_write(&f->index, &f->content);
	err = frame_make(f->maker, &f->content, &f->frame);
	index_wrap(&f->frame, &end);
	index_bytes = end.size;
	index_seek_table(&f->index, index_bytes, &end);
	if (!err)
		err = end.failed ? -ENOMEM : write_all(f, &end);
	bytes_free(&end);
	return err;
}

int framefile_close(struct framefile *f)
{
	int fd = f->fd;

	f->fd = -1;
	return fd >= 0 && close(fd) ? -errno : 0;
}
