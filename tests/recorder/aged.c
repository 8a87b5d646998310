/*
 * A recording that begins two seconds before its clock has gone as far as it goes. Linked with
 * --wrap=host_open.
 */
#include "recorder/host.h"

#define AGE_NS (CLOCK_DAYS * 24 * UINT64_C(3600000000000) - UINT64_C(2000000000))

int __real_host_open(struct host *host, uint32_t mode);
int __wrap_host_open(struct host *host, uint32_t mode);

int __wrap_host_open(struct host *host, uint32_t mode)
{
	int error = __real_host_open(host, mode);

	if (!error)
		host->session->start_ns -= AGE_NS;
	return error;
}
