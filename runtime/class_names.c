/* class_names.c: tables, and the i-th word of a text. */
#include "class_names.h"

#include <stdio.h>
#include <string.h>

enum { KINDS = 6, CLASSES = 10 };

static const char *const names[KINDS][CLASSES] = {
    [NRT_FASHION_MNIST] = {"T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"},
    [NRT_MNIST] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"},
    [NRT_CIFAR10] = {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"},
    [NRT_SYNTHETIC] = {"ring", "disc", "square", "filled square", "plus", "x", "vertical bar", "horizontal bar", "triangle", "two bars"},
};

static const char *word(const char *text, int64_t i, char *buf, size_t size)
{
    for (; text && i > 0; i--) {
        text = strchr(text, '/');
        text = text ? text + 1 : NULL;
    }
    snprintf(buf, size, "%.*s", text ? (int)strcspn(text, "/") : 0, text ? text : "");
    return buf;
}

const char *class_name(const nrt_model *m, const char *folders, int64_t i, char *buf, size_t size)
{
    const char *name = m->train.data >= 0 && m->train.data < KINDS && i >= 0 && i < CLASSES ? names[m->train.data][i] : NULL;
    if (m->train.data == NRT_IMAGES)
        return word(folders, i, buf, size);
    snprintf(buf, size, "%s", name ? name : "");
    return buf;
}
