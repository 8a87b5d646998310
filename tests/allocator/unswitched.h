/*
 * The options of a hakmem without switches: included before everything else of a library built for
 * the test that switches cost nothing. They are constants, so the compiler leaves no switch.
 */
#ifndef OPTION_H
#define OPTION_H

#include <stdbool.h>
#include <stdint.h>

#define OPTION_WHALE_CAPACITY_MOST 64

static const struct {
	uint32_t tls, tiny, l25, whale, whale_capacity;
	bool stats, learn;
	char rules[1], stats_file[1];
} options = {1, 1, 1, 1, OPTION_WHALE_CAPACITY_MOST, false, false, "", ""};

static inline void option_read(void)
{
}

static inline void option_drop_tls(void)
{
}

#endif
