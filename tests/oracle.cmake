# protobuf-c reads and writes what outputs/loki/push.c wrote by hand. Only tests link it.
find_program(PROTOC_C protoc-c)
if(NOT PROTOC_C OR NOT PROTOBUFC_FOUND)
	message(WARNING "protoc-c or libprotobuf-c is missing: the push encoder is tested without its oracle")
	return()
endif()

set(oracle_dir ${CMAKE_CURRENT_BINARY_DIR}/oracle)
add_custom_command(
	OUTPUT ${oracle_dir}/push.pb-c.c ${oracle_dir}/push.pb-c.h
	COMMAND ${CMAKE_COMMAND} -E make_directory ${oracle_dir}
	COMMAND ${PROTOC_C} --proto_path=${CMAKE_CURRENT_SOURCE_DIR}/proto --c_out=${oracle_dir} push.proto
	DEPENDS proto/push.proto
	VERBATIM)
# Generated code: compiled without our warnings.
add_library(oracle OBJECT ${oracle_dir}/push.pb-c.c ${oracle_dir}/push.pb-c.h)
target_link_libraries(oracle PUBLIC PkgConfig::PROTOBUFC)
target_include_directories(oracle SYSTEM INTERFACE ${oracle_dir})

foreach(name test_push fuzz_push)
	if(TARGET ${name})
		add_dependencies(${name} oracle)
		target_compile_definitions(${name} PRIVATE HAVE_ORACLE)
		target_link_libraries(${name} PRIVATE oracle)
	endif()
endforeach()
