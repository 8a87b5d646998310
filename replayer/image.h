/* The runner's program, part of this one. */
#ifndef REPLAYER_IMAGE_H
#define REPLAYER_IMAGE_H

extern const char image_begin[];
extern const char image_end[];

#endif
