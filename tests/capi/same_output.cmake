# cmake -D COMMAND=program -D GOLDEN=file -P same_output.cmake: its output is the file, byte by byte.
execute_process(COMMAND ${COMMAND} OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
file(READ ${GOLDEN} golden)
if(NOT output STREQUAL golden)
  message(FATAL_ERROR "output differs from ${GOLDEN}; it is:\n${output}")
endif()
