/* table.c: see table.h. */
#include "table.h"

#include <string.h>

int column_width(const char *text, int width)
{
    int length = (int)strlen(text);
    return length > width ? length : width;
}
