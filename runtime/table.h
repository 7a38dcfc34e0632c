/* table.h: columns that are as wide as what stands in them. */
#ifndef TABLE_H
#define TABLE_H

/* The width of a column that has held `width` characters at most so far, once it holds `text` too. */
int column_width(const char *text, int width);

#endif
