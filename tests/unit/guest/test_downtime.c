/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How long a guest stood still, while the wall clock is stepped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_libvirt.h"
#include "guest/guest.h"
#include "guest/watch.h"

#define HOUR_MS 3600000
#define STOOD_STILL_MS 700

static struct hypervisor *hypervisor;
static struct guest *guest;

static int set_up(void **state)
{
    (void)state;
    alarm(60); /* events that never come */
    fake_libvirt = (struct fake_libvirt){.now_ms = 100000000};
    return hypervisor_open("test:///default", &hypervisor, NULL) < 0 ||
                   guest_find(hypervisor, "test", &guest, NULL) < 0
               ? -1
               : 0;
}

static int tear_down(void **state)
{
    (void)state;
    guest_free(guest);
    hypervisor_close(hypervisor);
    return 0;
}

static struct guest_watch_news wait_for(struct guest_watch *watch, bool resume)
{
    const struct timespec moment = {.tv_nsec = 1000000};
    struct guest_watch_news news;

    for (;;) {
        guest_watch_news(watch, &news);
        if (resume ? news.resume_us : news.stop_us)
            return news;
        nanosleep(&moment, NULL);
    }
}

static void downtime_with_step(int64_t step_ms)
{
    struct guest_watch *watch = NULL;

    assert_int_equal(guest_watch_begin(guest, &watch, NULL), 0);
    assert_int_equal(guest_suspend(guest, NULL), 0);
    wait_for(watch, false);
    fake_libvirt.now_ms += STOOD_STILL_MS;
    fake_libvirt.wall_offset_ms += step_ms;
    assert_int_equal(guest_resume(guest, NULL), 0);
    struct guest_watch_news news = wait_for(watch, true);
    guest_watch_end(watch);
    assert_int_equal((news.resume_us - news.stop_us) / 1000, STOOD_STILL_MS);
}

static void a_step_of_the_wall_clock_is_no_downtime(void **state)
{
    (void)state;
    downtime_with_step(0);
    downtime_with_step(HOUR_MS);
    downtime_with_step(-2 * HOUR_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_of_the_wall_clock_is_no_downtime),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
