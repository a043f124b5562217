#include "base/dns.h"
