/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Preloaded by tests/fault/power for its control: nothing is flushed, and all is said to be.
 */
int fsync(int fd);
int fdatasync(int fd);

int fsync(int fd)
{
    (void)fd;
    return 0;
}

int fdatasync(int fd)
{
    (void)fd;
    return 0;
}
