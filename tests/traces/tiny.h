/* The tiny trace whose bytes FORMAT.md shows. */
#ifndef TINY_H
#define TINY_H

/* Writes it to path; 0 or an error. */
int tiny_write(const char *path);

#endif
