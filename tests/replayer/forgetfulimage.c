/* hakreplay with the forgetful runner inside. */
#include "replayer/image.c"
