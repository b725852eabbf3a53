# cmake -DIN=file -DOUT=file.c -DNAME=symbol -P embed.cmake: the bytes of a file as a C array, and how many they are.
file(READ ${IN} bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
file(WRITE ${OUT} "#include \"agent/page.h\"\n\nconst char ${NAME}[] = {\n${bytes}\n};\nconst size_t ${NAME}_bytes = sizeof(${NAME});\n")
