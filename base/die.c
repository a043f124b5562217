#include "base/die.h"
