/* image_list.c: scandir for the classes, then for each class's files; then the files in turn from each class. */
#include "image_list.h"
#include "mem.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

typedef struct Names { int64_t n; char **at; } Names; /* sorted by bytes */

static void names_free(Names *names)
{
    for (int64_t i = 0; i < names->n; i++)
        free(names->at[i]);
    free(names->at);
    *names = (Names){0};
}

static bool is_folder(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

static bool is_folder_in(const char *folder, const char *name)
{
    char *path = mem_printf("%s/%s", folder, name);
    bool is = is_folder(path);
    free(path);
    return is;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int not_hidden(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static int is_picture(const struct dirent *e)
{
    static const char *const endings[] = {".png", ".jpg", ".jpeg"};
    size_t n = strlen(e->d_name);
    for (int i = 0; i < 3; i++)
        if (n > strlen(endings[i]) && strcasecmp(e->d_name + n - strlen(endings[i]), endings[i]) == 0)
            return e->d_name[0] != '.';
    return 0;
}

/* The names in a folder that `wanted` lets through. */
static bool names_read(const char *folder, int (*wanted)(const struct dirent *), Names *out, Fault *f)
{
    struct dirent **entries;
    int n = scandir(folder, &entries, wanted, by_bytes);
    *out = (Names){0};
    if (n < 0)
        return fault_set(f, errno == ENOENT || errno == ENOTDIR ? EXIT_DATA : EXIT_IO, "%s: the folder cannot be read: %s", folder, strerror(errno));
    *out = (Names){n, mem_get((size_t)n, sizeof *out->at)};
    for (int i = 0; i < n; i++) {
        out->at[i] = mem_printf("%s", entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return true;
}

/* The folders in a folder. */
static bool folders_read(const char *folder, Names *out, Fault *f)
{
    int64_t kept = 0;
    if (!names_read(folder, not_hidden, out, f))
        return false;
    for (int64_t i = 0; i < out->n; i++) {
        if (is_folder_in(folder, out->at[i]))
            out->at[kept++] = out->at[i];
        else
            free(out->at[i]);
    }
    out->n = kept;
    return true;
}

/* Is file j of a class's one of the share that is for testing? */
static bool in_share(int64_t j, double share)
{
    const double slack = 1e-9; /* 10 * 0.1 is one file, however the product is rounded */
    return floor((double)(j + 1) * share + slack) > floor((double)j * share + slack);
}

/* ---- where the parts are ---- */

typedef struct Parts {
    char *train; /* the folder of the classes to train on */
    char *test;  /* that of the classes to test on, or null: a share of `train` is */
} Parts;

/* Is there a folder `name` with folders in it? */
static char *part_folder(const char *dir, const char *name)
{
    char *path = mem_printf("%s/%s", dir, name);
    Names inside;
    Fault f;
    bool is = is_folder(path) && folders_read(path, &inside, &f);
    if (is) {
        is = inside.n > 0;
        names_free(&inside);
    }
    if (is)
        return path;
    free(path);
    return NULL;
}

static Parts parts_find(const char *dir)
{
    static const char *const names[] = {"test", "val", "validation"};
    Parts p = {part_folder(dir, "train"), NULL};
    if (!p.train)
        return (Parts){mem_printf("%s", dir), NULL};
    for (int i = 0; i < 3 && !p.test; i++)
        p.test = part_folder(dir, names[i]);
    return p;
}

/* ---- the list ---- */

static bool classes_check(const ImageList *l, const char *dir, int64_t most, Fault *f)
{
    if (l->classes == 0)
        return fault_set(f, EXIT_DATA, "%s: no folders in this folder; images wants one for each class, with .png and .jpg files in it", dir);
    if (l->classes > most)
        return fault_set(f, EXIT_DATA, "%s: %lld folders, so %lld classes ('%.40s' to '%.40s'); the network has %lld outputs", dir, (long long)l->classes,
                         (long long)l->classes, l->class_name[0], l->class_name[l->classes - 1], (long long)most);
    return true;
}

/* A folder among the test classes that is none of the classes trained on. */
static bool strangers_check(const ImageList *l, const char *train, Fault *f)
{
    Names found;
    bool ok = true;
    if (!folders_read(l->folder, &found, f))
        return false;
    for (int64_t i = 0; ok && i < found.n; i++)
        if (!is_folder_in(train, found.at[i]))
            ok = fault_set(f, EXIT_DATA, "%s/%s: a class to test that is none of those to train on: %s has no folder of that name", l->folder, found.at[i],
                           train);
    names_free(&found);
    return ok;
}

static void list_add(ImageList *l, int64_t class, const char *name)
{
    l->path[l->count] = mem_printf("%s/%s", l->class_name[class], name);
    l->label[l->count++] = (int32_t)class;
}

/* Every class's files of this part, in turn. `share` is what goes to the test part; 0: all files are this part's. */
static void list_fill(ImageList *l, const Names *files, bool test, double share)
{
    int64_t total = 0, longest = 0;
    for (int64_t c = 0; c < l->classes; c++) {
        total += files[c].n;
        longest = files[c].n > longest ? files[c].n : longest;
    }
    l->path = mem_get((size_t)total, sizeof *l->path);
    l->label = mem_get((size_t)total, sizeof *l->label);
    for (int64_t j = 0; j < longest; j++)
        for (int64_t c = 0; c < l->classes; c++)
            if (j < files[c].n && (share == 0 || in_share(j, share) == test))
                list_add(l, c, files[c].at[j]);
}

/* The files of every class; [classes], freed by the caller. False, and all freed, with a Fault. A class to train on needs some. */
static bool files_read(const ImageList *l, bool needed, Names *files, Fault *f)
{
    bool ok = true;
    for (int64_t c = 0; ok && c < l->classes; c++) {
        char *path = mem_printf("%s/%s", l->folder, l->class_name[c]);
        if (is_folder(path) || needed)
            ok = names_read(path, is_picture, &files[c], f);
        if (ok && needed && files[c].n == 0)
            ok = fault_set(f, EXIT_DATA, "%s: no .png, .jpg or .jpeg file in the folder of this class", path);
        free(path);
    }
    return ok;
}

static bool list_read(const Parts *p, bool test, double share, int64_t most, ImageList *out, Fault *f)
{
    bool own = test && p->test; /* has the test part a folder of its own? */
    Names classes, *files;
    bool ok;
    if (!folders_read(p->train, &classes, f))
        return false;
    *out = (ImageList){.folder = mem_printf("%s", own ? p->test : p->train), .classes = classes.n, .class_name = classes.at};
    if (!classes_check(out, p->train, most, f) || (own && !strangers_check(out, p->train, f)))
        return false;
    files = mem_get((size_t)out->classes, sizeof *files);
    ok = files_read(out, !own, files, f);
    if (ok && (!test || own || share > 0))
        list_fill(out, files, test, p->test ? 0 : share);
    for (int64_t c = 0; c < out->classes; c++)
        names_free(&files[c]);
    free(files);
    return ok;
}

bool image_list_read(const char *dir, bool test, double share, int64_t most, ImageList *out, Fault *f)
{
    Parts p;
    bool ok;
    *out = (ImageList){0};
    if (!is_folder(dir))
        return fault_set(f, EXIT_DATA, "%s: there is no such folder of images", dir);
    p = parts_find(dir);
    ok = list_read(&p, test, share, most, out, f);
    if (!ok)
        image_list_free(out);
    free(p.train);
    free(p.test);
    return ok;
}

void image_list_free(ImageList *l)
{
    for (int64_t i = 0; i < l->classes; i++)
        free(l->class_name[i]);
    for (int64_t i = 0; i < l->count; i++)
        free(l->path[i]);
    free(l->class_name);
    free(l->path);
    free(l->label);
    free(l->folder);
    *l = (ImageList){0};
}

char *image_list_classes(const ImageList *l)
{
    size_t n = 1, at = 0;
    char *text;
    for (int64_t i = 0; i < l->classes; i++)
        n += strlen(l->class_name[i]) + 1;
    text = mem_get(n, 1);
    for (int64_t i = 0; i < l->classes; i++)
        at += (size_t)sprintf(text + at, "%s%s", i ? "/" : "", l->class_name[i]);
    return text;
}
