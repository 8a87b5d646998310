#include "product.h"

#include <sys/stat.h>
#include <unistd.h>

bool product_is_source(const char *path, const char *source)
{
	struct stat a, b;

	return !stat(source, &a) && !stat(path, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

void product_discard(const char *path)
{
	struct stat status;

	if (!lstat(path, &status) && S_ISREG(status.st_mode))
		unlink(path);
}
