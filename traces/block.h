/* What encoder and decoder of blocks share: limits and columns. FORMAT.md, "Events". */
#ifndef BLOCK_H
#define BLOCK_H

#define BLOCK_ROWS     32768     /* rows of a block that the writer fills */
#define BLOCK_ROWS_MAX (1 << 18) /* rows of a block that a reader accepts */
#define BLOCK_OPS_MAX  256       /* distinct operations of a block: they are numbered by a byte */

/* Columns by their number in the file, which is never reused. */
enum block_column {
	COLUMN_OP = 1,     /* row: number of its operation */
	COLUMN_RUN = 2,    /* run of rows of one thread: their number ... */
	COLUMN_THREAD = 3, /* ... and the thread */
	COLUMN_GAP = 4,    /* time step: rows since the one before ... */
	COLUMN_STEP = 5,   /* ... and nanoseconds */
	COLUMN_SITE = 6,   /* row with a site: its number + 1 */
	COLUMN_SIZE = 7,   /* row with a size */
	COLUMN_ALIGN = 8,  /* row with an alignment */
	COLUMN_AGE = 9,    /* row with an old object: objects born since, itself included */
	COLUMN_ADDR = 10,  /* row with an address: zigzag difference to the one before */
	COLUMN_BORN = 11, /* row whose new block's residency is known: rows since the last, pages */
	COLUMN_DIED = 12, /* row whose old block's residency is known: likewise */
	COLUMNS = 13,
};

#endif
