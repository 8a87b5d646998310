// exits: threads that allocate and free while they end: in a destructor of a C++ thread_local, and
// in those of a POSIX key, which run twice because the first run sets the key again.
#include "say.h"

#include <pthread.h>
#include <stdlib.h>

namespace
{

constexpr unsigned threads = 5;
pthread_key_t key;

struct keeper {
	void *block = malloc(111);

	~keeper()
	{
		free(block);
		free(malloc(222));
	}
};

void key_destroy(void *value)
{
	if (*static_cast<int *>(value) == 1) {
		auto again = static_cast<int *>(malloc(444));

		*again = 2;
		pthread_setspecific(key, again);
	}
	free(value);
}

void *work(void *)
{
	thread_local keeper kept;
	auto value = static_cast<int *>(malloc(333));

	*value = 1;
	pthread_setspecific(key, value);
	return kept.block;
}

} // namespace

int main()
{
	pthread_t thread;

	pthread_key_create(&key, key_destroy);
	for (unsigned i = 0; i < threads; i++) {
		if (pthread_create(&thread, nullptr, work, nullptr))
			abort();
		pthread_join(thread, nullptr);
	}
	say("threads %u\n", threads);
	return 0;
}
