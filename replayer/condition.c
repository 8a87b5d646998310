#include "condition.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where parsing stands. */
struct place {
	struct condition *condition;
	const char *text, *at;
};

static int complain(struct place *p, const char *wanted)
{
	int length = (int)strcspn(p->at, " \t");

	snprintf(p->condition->error, sizeof(p->condition->error),
		 "%s, not '%.*s', has to stand at character %zu of '%s'", wanted,
		 length > 40 ? 40 : length, p->at, (size_t)(p->at - p->text) + 1, p->text);
	return -EINVAL;
}

static void skip_blanks(struct place *p)
{
	p->at += strspn(p->at, " \t");
}

static int metric_parse(struct place *p, struct condition_term *term)
{
	size_t length = strcspn(p->at, " \t<>=");
	char wanted[128] = "one of";

	for (unsigned m = 0; m < METRIC_END; m++) {
		if (strlen(metric_names[m]) == length && !strncmp(metric_names[m], p->at, length)) {
			term->metric = (enum metric)m;
			p->at += length;
			return 0;
		}
		strcat(strcat(wanted, " "), metric_names[m]);
	}
	return complain(p, wanted);
}

static int bound_parse(struct place *p, struct condition_term *term)
{
	char *end;

	skip_blanks(p);
	if (*p->at != '<' && *p->at != '>')
		return complain(p, "one of > >= < <=");
	term->above = *p->at++ == '>';
	term->equal = *p->at == '=';
	p->at += term->equal;
	skip_blanks(p);
	term->bound = strtod(p->at, &end);
	if (end == p->at || !isfinite(term->bound) || term->bound <= 0 ||
	    (*end && !isblank((unsigned char)*end)))
		return complain(p, "a ratio above 0");
	p->at = end;
	return 0;
}

/* "and" or "or"; whether there is one. */
static int joint_parse(struct place *p, bool *joined, bool *begins)
{
	size_t length;

	skip_blanks(p);
	*joined = *p->at;
	if (!*joined)
		return 0;
	length = strcspn(p->at, " \t");
	*begins = length == 2 && !strncmp(p->at, "or", length);
	if (!*begins && (length != 3 || strncmp(p->at, "and", length)))
		return complain(p, "'and' or 'or'");
	p->at += length;
	return 0;
}

int condition_parse(struct condition *condition, const char *text)
{
	struct place place = {condition, text, text};
	bool joined = true, begins = true;
	int error = 0;

	*condition = (struct condition){0};
	while (joined && !error) {
		struct condition_term *term = &condition->terms[condition->count];

		skip_blanks(&place);
		if (condition->count == CONDITION_TERMS)
			return complain(&place, "the end (there are 16 terms)");
		term->begins = begins;
		error = metric_parse(&place, term);
		if (!error)
			error = bound_parse(&place, term);
		if (!error)
			error = joint_parse(&place, &joined, &begins);
		condition->count++;
	}
	return error;
}

static bool term_holds(const struct condition_term *term, double ratio)
{
	if (term->equal && ratio == term->bound)
		return true;
	return term->above ? ratio > term->bound : ratio < term->bound;
}

bool condition_holds(const struct condition *condition, const double ratios[METRIC_END],
		     const bool distinct[METRIC_END])
{
	bool holds = false;

	for (size_t i = 0; i < condition->count; i++) {
		const struct condition_term *term = &condition->terms[i];

		if (term->begins && holds)
			return true;
		holds = (term->begins || holds) && distinct[term->metric] &&
			term_holds(term, ratios[term->metric]);
	}
	return holds;
}
