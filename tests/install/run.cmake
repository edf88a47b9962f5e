# Installs a build to an empty folder, and builds and runs the project beside this file against it.
#   cmake -D BUILD=... -D WORK=... -D GENERATOR=... -D CXX=... -P run.cmake
set(here ${CMAKE_CURRENT_LIST_DIR})

# handgrad.h must hold every header of src/.
file(GLOB_RECURSE headers RELATIVE ${here}/../../src ${here}/../../src/*/*.h)
file(READ ${here}/../../src/handgrad.h umbrella)
foreach(header ${headers})
    if(NOT umbrella MATCHES "#include \"${header}\"")
        message(SEND_ERROR "src/handgrad.h does not include \"${header}\"")
    endif()
endforeach()

file(REMOVE_RECURSE ${WORK})
foreach(command
        "${CMAKE_COMMAND};--install;${BUILD};--prefix;${WORK}/prefix"
        "${CMAKE_COMMAND};-S;${here};-B;${WORK}/build;-G;${GENERATOR};-DCMAKE_CXX_COMPILER=${CXX};-DCMAKE_PREFIX_PATH=${WORK}/prefix"
        "${CMAKE_COMMAND};--build;${WORK}/build"
        "${WORK}/build/user")
    execute_process(COMMAND ${command} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
