package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func echo(connection net.Conn) {
	defer connection.Close()
	buffer := make([]byte, 65536)
	for {
		count, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err = connection.Write(buffer[:count]); err != nil {
			return
		}
	}
}

func serve(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go echo(connection)
	}
}

func tcpEcho(n int, s *span) int {
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	defer listener.Close()
	go serve(listener)
	var command []string
	if err := json.Unmarshal([]byte(os.Getenv("ECHO_LOAD")), &command); err != nil {
		panic(err)
	}
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	load := exec.Command(command[0], append(command[1:], port, strconv.Itoa(n))...)
	in, out := must(load.StdinPipe()), bufio.NewReader(must(load.StdoutPipe()))
	if err := load.Start(); err != nil {
		panic(err)
	}
	must(out.ReadString('\n'))
	s.begin()
	must(io.WriteString(in, "\n"))
	answered := must(strconv.Atoi(strings.TrimSpace(must(out.ReadString('\n')))))
	if err := load.Wait(); err != nil {
		panic(err)
	}
	return answered
}
