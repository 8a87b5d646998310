/* hakreplay compare: two files of results, one against the other, for people and for CI. */
#ifndef REPLAYER_VERDICT_H
#define REPLAYER_VERDICT_H

/* argv[0] is "compare". Returns the exit status; wrong usage ends the program with status 2. */
int verdict_main(int argc, char **argv);

#endif
