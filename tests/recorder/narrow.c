/* A session with room for few processes and threads, and with less memory than threads. Linked with
 * --wrap=host_open. */
#include "recorder/host.h"

#define PROCESSES 8
#define LANES     24
#define CHUNKS    4 /* beyond one a lane */

int __real_host_open(struct host *host, uint32_t mode);
int __wrap_host_open(struct host *host, uint32_t mode);

int __wrap_host_open(struct host *host, uint32_t mode)
{
	int error = __real_host_open(host, mode);

	if (!error) {
		host->session->processes = PROCESSES;
		host->session->lanes = LANES;
		host->session->chunks_wanted = CHUNKS;
		host->session->long_chunks = 0;
	}
	return error;
}
