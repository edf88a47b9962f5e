#include "train/metrics.h"
#include "catch.h"
