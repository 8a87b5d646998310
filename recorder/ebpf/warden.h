/*
 * A small process that outlives hakrec by a moment: when hakrec dies, it lets the processes go on
 * that the kernel part had stopped and that nobody else would continue.
 */
#ifndef RECORDER_WARDEN_H
#define RECORDER_WARDEN_H

struct warden {
	int fd; /* open as long as hakrec lives */
};

/*
 * followed: descriptor of the map whose keys are the followed processes. To be started before
 * probes are put. Returns 0 or a negative errno.
 */
int warden_start(struct warden *w, int followed);

/* hakrec ends in good order: nothing is left to do. */
void warden_dismiss(struct warden *w);

#endif
