#include "base/escape.h"
