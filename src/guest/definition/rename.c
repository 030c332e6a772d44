/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/definition/definition.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/random.h"
#include "guest/definition/internal.h"

#define UUID_BYTES 16
#define MAC_BYTES 6

/* The prefix of QEMU's guests; used if a guest had no MAC of its own. */
static const char default_mac_prefix[] = "52:54:00";

int definition_random_uuid(char **ret, struct err *err)
{
    uint8_t b[UUID_BYTES];

    if (random_bytes(b, sizeof(b), err) < 0)
        return -1;
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* version 4: random */
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    *ret = mem_printf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
                      b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
                      b[13], b[14], b[15]);
    return 0;
}

/* True if text has a hexadecimal digit wherever `form` has an x, and otherwise the same
 * characters. */
static bool has_form(const char *text, const char *form)
{
    size_t i = 0;

    for (; form[i]; i++)
        if (form[i] == 'x' ? !isxdigit((unsigned char)text[i]) : text[i] != form[i])
            return false;
    return text[i] == '\0';
}

static int check_name(const char *name, struct err *err)
{
    if (*name == '\0' || strpbrk(name, "/\t\r\n") || !xml_text_valid(name))
        return err_set(err, ERR_USAGE,
                       "a guest's name must be UTF-8 text without '/' and control characters");
    return 0;
}

static void set_child_text(struct xml_node *node, const char *name, const char *text)
{
    struct xml_node *child = xml_child(node, NULL, name);

    xml_set_text(child ? child : xml_add(node, NULL, NULL, name), text);
}

/* libvirt refuses a definition whose SMBIOS UUID is not the guest's. */
static void set_sysinfo_uuid(struct xml_node *root, const char *uuid)
{
    for (struct xml_node *sysinfo = xml_child(root, NULL, "sysinfo"); sysinfo;
         sysinfo = xml_next_same(sysinfo))
        for (struct xml_node *entry = xml_find(sysinfo, "system/entry"); entry;
             entry = xml_next_same(entry)) {
            const char *name = xml_attr(entry, "name");
            if (name && strcmp(name, "uuid") == 0)
                xml_set_text(entry, uuid);
        }
}

static int renew_mac(struct xml_node *mac, struct err *err)
{
    const char *old = xml_attr(mac, "address");
    bool sound = old && has_form(old, "xx:xx:xx:xx:xx:xx");
    uint8_t b[MAC_BYTES / 2];

    if (random_bytes(b, sizeof(b), err) < 0)
        return -1;
    CLEANUP_FREE char *text =
        mem_printf("%.8s:%02x:%02x:%02x", sound ? old : default_mac_prefix, b[0], b[1], b[2]);
    xml_set_attr(mac, "address", text);
    return 0;
}

/* Open vSwitch: libvirt fills in what is missing. MidoNet: an ID is required, and the new port must
 * be made known to MidoNet before the guest starts. */
static int renew_port(struct xml_node *port, struct err *err)
{
    struct xml_node *parameters = xml_child(port, NULL, "parameters");
    CLEANUP_FREE char *id = NULL;

    if (parameters)
        xml_remove_attr(parameters, "interfaceid");
    if (!definition_attr_is(port, "type", "midonet"))
        return 0;
    if (definition_random_uuid(&id, err) < 0)
        return -1;
    xml_set_attr(parameters ? parameters : xml_add(port, NULL, NULL, "parameters"), "interfaceid",
                 id);
    return 0;
}

static int renew_interfaces(struct xml_node *root, struct err *err)
{
    for (struct xml_node *interface = xml_find(root, "devices/interface"); interface;
         interface = xml_next_same(interface)) {
        struct xml_node *mac = xml_child(interface, NULL, "mac");
        struct xml_node *port = xml_child(interface, NULL, "virtualport");
        if (mac && renew_mac(mac, err) < 0)
            return -1;
        if (port && renew_port(port, err) < 0)
            return -1;
    }
    return 0;
}

int definition_rename(struct xml_doc *domain, const char *name, const char *uuid, struct err *err)
{
    struct xml_node *root = xml_root(domain);

    if (check_name(name, err) < 0)
        return -1;
    if (!has_form(uuid, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"))
        return err_set(err, ERR_USAGE, "'%s' is not a UUID", uuid);
    if (renew_interfaces(root, err) < 0)
        return -1;
    set_child_text(root, "name", name);
    set_child_text(root, "uuid", uuid);
    set_sysinfo_uuid(root, uuid);
    /* libvirt fills in an empty one: the guest should see that it is a clone. */
    if (xml_child(root, NULL, "genid"))
        set_child_text(root, "genid", "");
    return 0;
}
