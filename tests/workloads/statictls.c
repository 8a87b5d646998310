/*
 * A library to preload: STATIC_TLS_BYTES of static thread-local storage, and a constructor that
 * touches it, so that the linker keeps it and the loader places it.
 */
extern __thread char static_tls[];

__thread char static_tls[STATIC_TLS_BYTES]
	__attribute__((tls_model("initial-exec"), visibility("default")));

static __attribute__((constructor)) void touch(void)
{
	static_tls[STATIC_TLS_BYTES - 1] = 1;
}
