# LLVM of the chosen major version, dynamic or static; the layer itself; the names of CPUs and features that this LLVM
# knows, taken from its own llc: the C API cannot list them, and LLVM answers an unknown one on stderr.
set(xent_llvm_package "llvm-${XENT_LLVM}-dev")
unset(XENT_LLVM_CONFIG CACHE)
find_program(XENT_LLVM_CONFIG NAMES llvm-config-${XENT_LLVM} llvm-config HINTS /usr/lib/llvm-${XENT_LLVM}/bin
             NO_CACHE)
if(XENT_LLVM_CONFIG)
  execute_process(COMMAND ${XENT_LLVM_CONFIG} --version OUTPUT_VARIABLE xent_llvm_version
                  OUTPUT_STRIP_TRAILING_WHITESPACE)
endif()
if(NOT XENT_LLVM_CONFIG OR NOT xent_llvm_version MATCHES "^${XENT_LLVM}\\.")
  message(FATAL_ERROR "LLVM ${XENT_LLVM} was not found. Install it (apt install ${xent_llvm_package}; from "
                      "apt.llvm.org where the distribution has no such package), or choose another with "
                      "-DXENT_LLVM=19 or 22.")
endif()
if(XENT_LLVM LESS 19)
  message(FATAL_ERROR "LLVM ${XENT_LLVM} is too old: xent needs 19 or later (apt install llvm-19-dev).")
endif()

function(xent_llvm_config out)
  execute_process(COMMAND ${XENT_LLVM_CONFIG} ${ARGN} OUTPUT_VARIABLE text OUTPUT_STRIP_TRAILING_WHITESPACE
                  RESULT_VARIABLE status ERROR_VARIABLE error)
  if(status)
    message(FATAL_ERROR "${XENT_LLVM_CONFIG} ${ARGN}: ${error}(is ${xent_llvm_package} complete?)")
  endif()
  separate_arguments(text)
  set(${out} ${text} PARENT_SCOPE)
endfunction()

xent_llvm_config(XENT_LLVM_INCLUDE --includedir)
xent_llvm_config(xent_llvm_libdir --libdir)
xent_llvm_config(xent_llvm_bindir --bindir)
xent_llvm_config(xent_llvm_triple --host-target)
if(XENT_STATIC_LLVM)
  xent_llvm_config(xent_llvm_libs --link-static --libs native passes)
  xent_llvm_config(xent_llvm_system --link-static --system-libs)
  list(FILTER xent_llvm_system EXCLUDE REGEX "libz3") # only the static analyser's
  # C++'s library as well, where it is to be had so: binding its symbols takes a fifth of a start.
  execute_process(COMMAND ${CMAKE_C_COMPILER} -print-file-name=libstdc++.a OUTPUT_VARIABLE xent_stdcxx
                  OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(IS_ABSOLUTE "${xent_stdcxx}")
    list(APPEND xent_stdcxx -static-libgcc)
  else()
    set(xent_stdcxx stdc++)
  endif()
  set(xent_llvm_link -L${xent_llvm_libdir} ${xent_llvm_libs} ${xent_llvm_system} ${xent_stdcxx}
                     -Wl,--exclude-libs,ALL -Wl,--gc-sections)
else()
  xent_llvm_config(xent_llvm_libs --link-shared --libs)
  set(xent_llvm_link -L${xent_llvm_libdir} ${xent_llvm_libs})
endif()

# cpu_names.h: two tables, CPUS(X) and FEATURES(X).
find_program(xent_llc NAMES llc HINTS ${xent_llvm_bindir} NO_DEFAULT_PATH NO_CACHE)
if(NOT xent_llc)
  message(FATAL_ERROR "${xent_llvm_bindir}/llc was not found: apt install llvm-${XENT_LLVM}")
endif()
execute_process(COMMAND ${xent_llc} -mtriple=${xent_llvm_triple} -mcpu=help INPUT_FILE /dev/null
                OUTPUT_VARIABLE xent_llc_help ERROR_VARIABLE xent_llc_help)
string(REPLACE ";" "," xent_llc_help "${xent_llc_help}")
string(REPLACE "\n" ";" xent_llc_help "${xent_llc_help}")
set(xent_llvm_names "/* Generated from llc -mcpu=help. */\n")
foreach(line IN LISTS xent_llc_help)
  if(line MATCHES "^Available CPUs")
    string(APPEND xent_llvm_names "#define LLVM_CPUS(X)")
  elseif(line MATCHES "^Available features")
    string(APPEND xent_llvm_names "\n#define LLVM_FEATURES(X)")
  elseif(line MATCHES "^  ([A-Za-z0-9_.+-]+) +- ")
    string(APPEND xent_llvm_names " \\\n    X(\"${CMAKE_MATCH_1}\")")
  endif()
endforeach()
string(APPEND xent_llvm_names "\n")
if(NOT xent_llvm_names MATCHES "LLVM_CPUS" OR NOT xent_llvm_names MATCHES "LLVM_FEATURES")
  message(FATAL_ERROR "${xent_llc} -mcpu=help did not list CPUs and features")
endif()
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/llvm-${XENT_LLVM}/cpu_names.h CONTENT "${xent_llvm_names}" @ONLY)

xent_layer(xent_llvm compiler/llvm xent_kernel xent_abi)
find_package(Threads REQUIRED)
target_include_directories(xent_llvm SYSTEM PRIVATE ${XENT_LLVM_INCLUDE})
target_include_directories(xent_llvm PRIVATE ${CMAKE_BINARY_DIR}/llvm-${XENT_LLVM})
target_link_libraries(xent_llvm PUBLIC ${xent_llvm_link} Threads::Threads)
if(XENT_STATIC_LLVM) # relocating 40 MB at every start costs milliseconds
  target_link_options(xent_llvm INTERFACE $<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-no-pie>)
endif()
