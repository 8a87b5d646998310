/* Tells hakrec in notes which modules are loaded. */
#ifndef RECORDER_LOADED_H
#define RECORDER_LOADED_H

/* All modules that were not told yet. Not from signal handlers: it takes the loader's lock. */
void loaded_tell(const char *program);

#endif
