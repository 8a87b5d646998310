/* randomtrace SEED THREADS ROWS LIVE FILE: writes a random legal trace (randomrows.h). */
#include "randomrows.h"

#include <err.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	if (argc != 6)
		errx(2, "usage: randomtrace SEED THREADS ROWS LIVE FILE");
	randomrows_write(&(struct randomrows){.seed = strtoull(argv[1], NULL, 10),
					      .threads = (uint32_t)atoi(argv[2]),
					      .rows = (uint32_t)atoi(argv[3]),
					      .live = (uint32_t)atoi(argv[4])},
			 argv[5]);
	return 0;
}
