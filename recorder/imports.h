/* What the loaded modules import from each other. */
#ifndef RECORDER_IMPORTS_H
#define RECORDER_IMPORTS_H

/*
 * Lets the imports of a function lead elsewhere, in all modules that are loaded now but the one
 * that replacement is in. For functions that may not be interposed by their names: that a program
 * finds such a name tells it something.
 */
void imports_replace(const char *symbol, const void *replacement);

#endif
