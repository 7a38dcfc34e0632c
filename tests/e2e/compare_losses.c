/* compare_losses.c: judges the losses of a training log, against a record.
 *
 *     compare_losses LOG.jsonl WANTED.txt TOLERANCE
 *
 * The n-th step of the log ({"event":"step",...,"loss":2.36,...}) must have the n-th loss of WANTED, one number a line, up to
 * TOLERANCE, relative. Both must have equally many, and at least one.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 4096 };

static FILE *open_file(const char *path)
{
    FILE *in = fopen(path, "r");
    if (!in) {
        perror(path);
        exit(2);
    }
    return in;
}

/* The loss of the log's next step; false at its end. */
static int next_step(FILE *log, double *loss)
{
    static const char key[] = "\"loss\":";
    char line[LINE];
    while (fgets(line, sizeof line, log)) {
        const char *at = strstr(line, key);
        if (!strstr(line, "\"event\":\"step\"") || !at) continue;
        *loss = strtod(at + strlen(key), NULL);
        return 1;
    }
    return 0;
}

static int next_wanted(FILE *in, double *loss)
{
    return fscanf(in, "%lf", loss) == 1;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: compare_losses LOG.jsonl WANTED.txt TOLERANCE\n");
        return 2;
    }
    FILE *log = open_file(argv[1]), *record = open_file(argv[2]);
    double got, wanted, tolerance = strtod(argv[3], NULL);
    int bad = 0, steps = 0;
    while (next_wanted(record, &wanted)) {
        steps++;
        if (!next_step(log, &got)) {
            printf("BAD  step %d is not in the log\n", steps);
            return 1;
        }
        double relative = fabs(got - wanted) / fabs(wanted);
        int good = relative <= tolerance; /* false on NaN */
        printf("%-4s step %d: loss %.9g, recorded %.9g, relative difference %.1e (at most %.0e)\n",
               good ? "ok" : "BAD", steps, got, wanted, relative, tolerance);
        bad += !good;
    }
    if (next_step(log, &got)) {
        printf("BAD  the log has more than the %d steps recorded\n", steps);
        bad++;
    }
    return bad || !steps;
}
