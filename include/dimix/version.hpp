// The version of the library; CMakeLists.txt reads these three numbers.
#pragma once

#define DIMIX_VERSION_MAJOR 0
#define DIMIX_VERSION_MINOR 1
#define DIMIX_VERSION_PATCH 0
