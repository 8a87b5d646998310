/*
 * hello: allocates and frees one block of 81 bytes, says so and exits with status 8. Also linked
 * statically and, where there is musl-gcc, to musl.
 */
#include <stdlib.h>
#include <unistd.h>

int main(void)
{
	static const char said[] = "hello\n";
	char *volatile block = malloc(81);

	free(block);
	return write(1, said, sizeof(said) - 1) == sizeof(said) - 1 ? 8 : 1;
}
