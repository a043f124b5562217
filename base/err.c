#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

bool
err_set(struct err *e, enum err_code code, const char *format, ...)
{
	va_list ap;

	if (e == NULL)
		return false;
	e->code = code;
	va_start(ap, format);
	vsnprintf(e->text, sizeof(e->text), format, ap);
	va_end(ap);
	return false;
}
