/*
 * A plugin of QEMU that counts executed guest instructions.
 *
 * Arguments: mark=ADDRESS of ounce_mark, out=FILE. Whenever the block at that address begins, the count so far is noted; a call starts a
 * block, so it is exact. At the end FILE holds the counts noted and the total, one a line.
 * The declarations are those of qemu-plugin.h, which Debian does not ship.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_info;
typedef void (*tb_callback)(qemu_plugin_id_t, struct qemu_plugin_tb *);
typedef void (*block_callback)(unsigned int, void *);
typedef void (*end_callback)(qemu_plugin_id_t, void *);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, tb_callback callback);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, block_callback callback, int flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, end_callback callback, void *data);

#define EXPORT __attribute__((visibility("default")))

EXPORT int qemu_plugin_version = PLUGIN_VERSION;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int count, char **arguments);

static uint64_t executed;
static uint64_t mark;
static FILE *out;

static void on_block(unsigned int cpu, void *instructions)
{
    (void)cpu;
    executed += (uint64_t)(uintptr_t)instructions;
}

static void on_mark(unsigned int cpu, void *instructions)
{
    (void)fprintf(out, "%" PRIu64 "\n", executed);
    on_block(cpu, instructions);
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    void *instructions = (void *)(uintptr_t)qemu_plugin_tb_n_insns(tb);
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, (qemu_plugin_tb_vaddr(tb) == mark) ? on_mark : on_block, 0, instructions);
}

static void on_end(qemu_plugin_id_t id, void *data)
{
    (void)id;
    (void)data;
    (void)fprintf(out, "%" PRIu64 "\n", executed);
    (void)fclose(out);
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int count, char **arguments)
{
    (void)info;
    for (int i = 0; i < count; i++) {
        if (strncmp(arguments[i], "mark=", 5) == 0) {
            mark = strtoull(&arguments[i][5], NULL, 0);
        } else if (strncmp(arguments[i], "out=", 4) == 0) {
            out = fopen(&arguments[i][4], "w");
        }
    }
    if (out == NULL) {
        return -1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_atexit_cb(id, on_end, NULL);
    return 0;
}
