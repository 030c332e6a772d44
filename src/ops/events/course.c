/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ops/events/course.h"

#include "base/units.h"

void course_begin(struct course *course, const struct report *report, const bool *chosen,
                  size_t count)
{
    *course = (struct course){.report = report};
    course->volumes = mem_array(count, sizeof(*course->volumes));
    for (size_t i = 0; i < count; i++)
        course->position.count += chosen[i];
}

bool course_wants_estimates(const struct course *course)
{
    return course->position.count > 1 && course->report->shows_progress;
}

static void set_volume(struct course *course, size_t guest, uint64_t volume)
{
    uint64_t *total = &course->position.total;

    *total -= course->volumes[guest];
    if (!units_add(*total, volume, total))
        volume = 0;
    course->volumes[guest] = volume;
}

void course_estimate(struct course *course, size_t guest, uint64_t volume)
{
    set_volume(course, guest, volume);
}

void course_next(struct course *course, size_t guest)
{
    if (course->position.number > 0)
        course->position.before += course->volumes[course->current];
    course->position.number++;
    course->position.volume = course->volumes[guest];
    course->current = guest;
    report_position(course->report, &course->position);
}

void course_volume(struct course *course, uint64_t volume)
{
    set_volume(course, course->current, volume);
    course->position.volume = course->volumes[course->current];
    report_position(course->report, &course->position);
}

void course_clear(struct course *course)
{
    free(course->volumes);
    *course = (struct course){0};
}
