#include "base/resolver.h"
