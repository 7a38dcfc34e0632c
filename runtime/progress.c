/* progress.c: one line, rewritten in place: head, bar, figures. The bar takes what the width of the terminal leaves, and goes away when
 * that is little. Blocks of an eighth are drawn where the locale is UTF-8, '#' elsewhere. */
#include "progress.h"
#include "cpu.h"
#include "mem.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR_MAX = 40, BAR_MIN = 8 };

struct Progress {
    int64_t epochs;
    bool quiet, terminal, utf8, shown;
    double drawn;              /* when the bar was drawn last */
};

static bool locale_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (int i = 0; i < 3; i++) {
        const char *v = getenv(names[i]);
        if (v && *v)
            return strstr(v, "UTF-8") || strstr(v, "utf8") || strstr(v, "UTF8") || strstr(v, "utf-8");
    }
    return false;
}

Progress *progress_new(int64_t epochs, bool quiet)
{
    const char *term = getenv("TERM");
    Progress *p = mem_get(1, sizeof *p);
    p->epochs = epochs;
    p->quiet = quiet;
    p->terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
    p->utf8 = locale_is_utf8();
    return p;
}

void progress_free(Progress *p)
{
    progress_clear(p);
    free(p);
}

void progress_clear(Progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
    p->shown = false;
}

static int terminal_width(void)
{
    struct winsize w;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
}

static void bar_text(const Progress *p, char *buf, size_t size, int cells, double share)
{
    static const char *const eighths[] = {"", "\xe2\x96\x8f", "\xe2\x96\x8e", "\xe2\x96\x8d", "\xe2\x96\x8c", "\xe2\x96\x8b", "\xe2\x96\x8a", "\xe2\x96\x89"};
    int filled = (int)(share * cells * 8), full = filled / 8, part = p->utf8 ? filled % 8 : 0;
    size_t at = 0;
    for (int i = 0; i < cells && at < size; i++) {
        const char *cell = i < full ? (p->utf8 ? "\xe2\x96\x88" : "#") : i == full && part ? eighths[part] : " ";
        at += (size_t)snprintf(buf + at, size - at, "%s", cell);
    }
}

static void time_text(char *buf, size_t size, double seconds)
{
    long long s = seconds > 0 && seconds < 1e9 ? (long long)(seconds + 0.5) : 0;
    if (s >= 3600)
        snprintf(buf, size, "%lldh%02lldm", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(buf, size, "%lldm%02llds", s / 60, s % 60);
    else
        snprintf(buf, size, "%llds", s);
}

void progress_step(Progress *p, int64_t epoch, int64_t done, int64_t total, double loss, double accuracy, double images_per_s)
{
    char head[64], tail[160], left[32], figures[64] = "", bar[BAR_MAX * 3 + 1] = "";
    double now, share = (double)done / (double)total;
    int width, cells;
    if (p->quiet || !p->terminal || (now = cpu_seconds()) - p->drawn < 0.1)
        return;
    p->drawn = now;
    time_text(left, sizeof left, images_per_s > 0 ? ((double)(p->epochs - epoch) + 1 - share) * (double)total / images_per_s : 0);
    if (isfinite(accuracy))
        snprintf(figures, sizeof figures, "  acc %.3f", accuracy);
    snprintf(head, sizeof head, "epoch %lld/%lld ", (long long)epoch, (long long)p->epochs);
    snprintf(tail, sizeof tail, " %3.0f%%  loss %.4f%s  %.0f images/s  %s left", 100 * share, loss, figures, images_per_s, left);
    width = terminal_width() - 1;
    cells = width - (int)(strlen(head) + strlen(tail)) - 2;
    cells = cells > BAR_MAX ? BAR_MAX : cells;
    if (cells >= BAR_MIN) {
        bar_text(p, bar, sizeof bar, cells, share);
        fprintf(stderr, "\r\033[K%s[%s]%s", head, bar, tail);
    } else {
        char line[sizeof head + sizeof tail];
        snprintf(line, sizeof line, "%s%s", head, tail);
        fprintf(stderr, "\r\033[K%.*s", width, line);
    }
    p->shown = true;
}

static size_t figure(char *buf, size_t size, size_t at, const char *name, double value)
{
    return isfinite(value) && at < size ? at + (size_t)snprintf(buf + at, size - at, "  %s %.4f", name, value) : at;
}

void progress_epoch(Progress *p, const EpochResult *r)
{
    char line[200], wait[64] = "";
    size_t at = 0;
    if (p->quiet)
        return;
    progress_clear(p);
    at = figure(line, sizeof line, at, "loss", r->train_loss);
    at = figure(line, sizeof line, at, "acc", r->train_acc);
    at = figure(line, sizeof line, at, "val_loss", r->val_loss);
    at = figure(line, sizeof line, at, "val_acc", r->val_acc);
    line[at] = 0;
    if (r->data_wait_seconds >= 0.01 && r->data_wait_seconds >= 0.01 * r->seconds)
        snprintf(wait, sizeof wait, ", %.2f s of it waiting for data", r->data_wait_seconds);
    fprintf(stderr, "epoch %*lld/%lld%s  %.0f images/s  %.2f s%s\n", p->epochs > 9 ? p->epochs > 99 ? 3 : 2 : 1, (long long)r->epoch,
            (long long)p->epochs, line, r->images_per_s, r->seconds, wait);
}

void progress_note(Progress *p, const char *fmt, ...)
{
    va_list ap;
    if (p->quiet)
        return;
    progress_clear(p);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}
