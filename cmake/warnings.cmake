# Warnings are errors in developer mode only: a user's newer compiler must not break the build.
add_library(inference_warnings INTERFACE)
target_compile_options(inference_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor>
  -Wcast-align $<$<COMPILE_LANGUAGE:CXX>:-Woverloaded-virtual>
  -Wnull-dereference -Wdouble-promotion -Wimplicit-fallthrough
  -Wno-missing-field-initializers)  # designated initialisers leave the rest at their defaults
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(inference_warnings INTERFACE -Wno-null-dereference)  # false positives at -O2 in gcc 12
endif()
if(INFERENCE_DEVELOPER_MODE)
  target_compile_options(inference_warnings INTERFACE -Werror)
endif()
if(INFERENCE_SANITIZE)
  target_compile_options(inference_warnings INTERFACE -fsanitize=${INFERENCE_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(inference_warnings INTERFACE -fsanitize=${INFERENCE_SANITIZE})
endif()
