# Helpers for the rooms' CMakeLists.txt.

# pnflow_sources(VARIABLE PATTERN...): the files of the current room that match.
function(pnflow_sources variable)
  list(TRANSFORM ARGN PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/" OUTPUT_VARIABLE patterns)
  file(GLOB found CONFIGURE_DEPENDS ${patterns})
  set(${variable} "${found}" PARENT_SCOPE)
endfunction()

# pnflow_room(NAME SOURCES FILE... LINK LIBRARY...): the room as a static library pnflow_NAME.
function(pnflow_room name)
  cmake_parse_arguments(PARSE_ARGV 1 room "" "" "SOURCES;LINK")
  add_library(pnflow_${name} STATIC ${room_SOURCES})
  target_link_libraries(pnflow_${name} PUBLIC ${room_LINK})
endfunction()

# pnflow_quick_build(): what follows in this directory is compiled without optimisation in builds with
# a sanitizer, where its code takes longer to compile than it ever runs.
macro(pnflow_quick_build)
  if(PNFLOW_SANITIZE)
    add_compile_options(-O0)
  endif()
endmacro()
