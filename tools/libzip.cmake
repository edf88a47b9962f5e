# The target handgrad::libzip. Debian's own package file asks for programs that libzip-dev lacks.
find_path(HANDGRAD_LIBZIP_INCLUDE zip.h REQUIRED)
find_library(HANDGRAD_LIBZIP zip REQUIRED)
if(NOT TARGET handgrad::libzip)
    add_library(handgrad::libzip UNKNOWN IMPORTED)
    set_target_properties(handgrad::libzip PROPERTIES IMPORTED_LOCATION ${HANDGRAD_LIBZIP}
                          INTERFACE_INCLUDE_DIRECTORIES ${HANDGRAD_LIBZIP_INCLUDE})
endif()
