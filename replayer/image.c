#include "image.h"

__asm__(".section .rodata\n"
	".global image_begin, image_end\n"
	".balign 4096\n"
	"image_begin: .incbin \"" IMAGE_FILE "\"\n"
	"image_end:\n"
	".previous\n");
