#include "places.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TYPES "/sys/kernel/btf/vmlinux"

struct wanted {
	const char *type, *field;
	uint32_t *place;
	bool found;
};

/* The kernel's type information: types one behind the other, numbered from 1, and their names. */
struct types {
	void *data;
	size_t bytes;
	bool mapped;
	const char *names;
	size_t names_bytes;
	const struct btf_type **all;
	uint32_t count;
};

/* ---- reading ---- */

static int read_all(int fd, char *to, size_t bytes)
{
	size_t filled = 0;

	while (filled < bytes) {
		ssize_t got = read(fd, to + filled, bytes - filled);

		if (got <= 0)
			return got ? -errno : -EIO;
		filled += (size_t)got;
	}
	return 0;
}

static int load(struct types *t)
{
	int fd = open(TYPES, O_RDONLY | O_CLOEXEC), error = 0;
	struct stat status;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) != 0) {
		error = -errno;
		close(fd);
		return error;
	}
	t->bytes = (size_t)status.st_size;
	/* Linux 6.16 and later; else page by page. */
	t->data = mmap(NULL, t->bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	t->mapped = t->data != MAP_FAILED;
	if (!t->mapped) {
		t->data = malloc(t->bytes);
		error = t->data ? read_all(fd, t->data, t->bytes) : -ENOMEM;
	}
	close(fd);
	return error;
}

static void unload(struct types *t)
{
	if (t->mapped)
		munmap(t->data, t->bytes);
	else
		free(t->data);
	free(t->all);
}

/* Bytes of what follows a type. */
static size_t tail_bytes(const struct btf_type *type)
{
	size_t members = BTF_INFO_VLEN(type->info);

	switch (BTF_INFO_KIND(type->info)) {
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return 4;
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return members * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return members * sizeof(struct btf_enum);
	case BTF_KIND_FUNC_PROTO:
		return members * sizeof(struct btf_param);
	case BTF_KIND_DATASEC:
		return members * sizeof(struct btf_var_secinfo);
	case BTF_KIND_ENUM64:
		return members * 3 * sizeof(uint32_t);
	default:
		return 0;
	}
}

/* Finds where each type begins. */
static int number(struct types *t)
{
	const struct btf_header *head = t->data;
	const char *at, *end;
	size_t room = 1 << 16;

	if (t->bytes < sizeof(*head) || head->magic != BTF_MAGIC ||
	    (uint64_t)head->hdr_len + head->str_off + head->str_len > t->bytes ||
	    (uint64_t)head->hdr_len + head->type_off + head->type_len > t->bytes)
		return -EBADMSG;
	t->names = (const char *)t->data + head->hdr_len + head->str_off;
	t->names_bytes = head->str_len;
	at = (const char *)t->data + head->hdr_len + head->type_off;
	end = at + head->type_len;
	t->all = malloc(room * sizeof(*t->all));
	for (t->count = 1; t->all && at + sizeof(struct btf_type) <= end; t->count++) {
		if (t->count == room) {
			const struct btf_type **more = realloc(t->all, 2 * room * sizeof(*more));

			if (!more)
				return -ENOMEM;
			t->all = more;
			room *= 2;
		}
		t->all[t->count] = (const struct btf_type *)at;
		at += sizeof(struct btf_type) + tail_bytes(t->all[t->count]);
	}
	return !t->all ? -ENOMEM : at == end ? 0 : -EBADMSG;
}

/* ---- looking for fields ---- */

static const char *name_at(const struct types *t, uint32_t offset)
{
	return offset < t->names_bytes ? t->names + offset : "";
}

static bool is_compound(const struct btf_type *type)
{
	return BTF_INFO_KIND(type->info) == BTF_KIND_STRUCT ||
	       BTF_INFO_KIND(type->info) == BTF_KIND_UNION;
}

/* Looks in a struct and in those without a name inside it, depth of them at most. */
static bool find_field(const struct types *t, const struct btf_type *type, struct wanted *w,
		       uint32_t base, unsigned depth)
{
	const struct btf_member *members = (const struct btf_member *)(type + 1);

	for (uint32_t i = 0; i < BTF_INFO_VLEN(type->info); i++) {
		uint32_t bits = BTF_INFO_KFLAG(type->info)
					? BTF_MEMBER_BIT_OFFSET(members[i].offset)
					: members[i].offset;
		const char *name = name_at(t, members[i].name_off);
		bool within = !*name && depth && members[i].type < t->count &&
			      is_compound(t->all[members[i].type]);

		if (strcmp(name, w->field) == 0) {
			*w->place = base + bits / 8;
			return true;
		}
		if (within && find_field(t, t->all[members[i].type], w, base + bits / 8, depth - 1))
			return true;
	}
	return false;
}

static void find_all(const struct types *t, struct wanted *wanted, size_t count)
{
	for (uint32_t number = 1; number < t->count; number++) {
		const struct btf_type *type = t->all[number];
		const char *name = name_at(t, type->name_off);

		if (BTF_INFO_KIND(type->info) != BTF_KIND_STRUCT || !*name)
			continue;
		for (size_t i = 0; i < count; i++)
			if (!wanted[i].found && wanted[i].type[0] == *name &&
			    strcmp(wanted[i].type, name) == 0)
				wanted[i].found = find_field(t, type, &wanted[i], 0, 4);
	}
}

int places_find(struct places *places, const char **missing)
{
	struct wanted wanted[] = {
#define WANT(name, type, field) {#type, #field, &places->name, false},
		PLACES(WANT)
#undef WANT
	};
	const size_t count = sizeof(wanted) / sizeof(wanted[0]);
	struct types types = {0};
	int error = load(&types);

	*missing = NULL;
	if (!error)
		error = number(&types);
	if (!error)
		find_all(&types, wanted, count);
	for (size_t i = 0; i < count && !error; i++)
		if (!wanted[i].found) {
			*missing = wanted[i].field;
			error = -ENOENT;
		}
	unload(&types);
	return error;
}
