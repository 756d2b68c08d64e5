// What the tests run in pods: an image without a shell has nothing else.
//
//	probe print WORD…        prints the words
//	probe fail WORD…         prints the words and fails
//	probe resolve NAME       prints the addresses of a name, when there are some
//	probe get URL            prints what an HTTP server answers, when it does
//	probe serve PORT WORD    answers every HTTP request with the word and the caller's address
//	probe read FILE          prints a file
//	probe write FILE WORD…   writes the words into a new file
//	probe peer ARGUMENT…     ends as a peer: leaves PROBE_ENDING as its termination message, with $VARIABLES replaced, prints PROBE_LOG
//	                         lines, and exits with PROBE_EXIT; or serves HTTP at port PROBE_SERVE until it is told to end, by SIGTERM
//	                         or by a request for /end/CODE; without these it does not know what a peer is
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(words []string) error {
	if len(words) < 2 {
		return errors.New("usage: probe print|fail|resolve|get|serve|read|write ARGUMENT…")
	}
	switch command, argument := words[0], words[1]; command {
	case "peer":
		return peer()
	case "print":
		fmt.Println(strings.Join(words[1:], " "))
		return nil
	case "fail":
		return errors.New(strings.Join(words[1:], " "))
	case "resolve":
		return patiently(func() error { return resolve(argument) })
	case "get":
		return patiently(func() error { return get(argument) })
	case "serve":
		return serve(argument, strings.Join(words[2:], " "))
	case "read":
		text, err := os.ReadFile(argument)
		if err == nil {
			_, err = os.Stdout.Write(text)
		}
		return err
	case "write":
		file, err := os.OpenFile(argument, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(file, strings.Join(words[2:], " "))
		return errors.Join(err, file.Close())
	default:
		return fmt.Errorf("probe does not know %q", command)
	}
}

// The words of an experiment's pods: what the operator makes of an end is tested without one that trains.
func peer() error {
	if port := os.Getenv("PROBE_SERVE"); port != "" {
		http.HandleFunc("/end/", func(_ http.ResponseWriter, request *http.Request) {
			code, err := strconv.Atoi(strings.TrimPrefix(request.URL.Path, "/end/"))
			if err == nil {
				os.Exit(code)
			}
		})
		http.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
		ended := make(chan os.Signal, 1)
		signal.Notify(ended, syscall.SIGTERM)
		go func() {
			<-ended
			os.Exit(143)
		}()
		return http.ListenAndServe(":"+port, nil)
	}
	code, err := strconv.Atoi(os.Getenv("PROBE_EXIT"))
	if err != nil {
		return errors.New("probe is no peer")
	}
	lines, _ := strconv.Atoi(os.Getenv("PROBE_LOG"))
	for line := range lines {
		fmt.Printf("2026-11-22T08:30:12Z  INFO finished a round round=%d, and more that fills the line\n", line)
	}
	if ending := os.ExpandEnv(os.Getenv("PROBE_ENDING")); ending != "" {
		if err := os.WriteFile("/dev/termination-log", []byte(ending), 0o644); err != nil {
			return err
		}
	}
	os.Exit(code)
	return nil
}

// A new Service takes a moment to reach the DNS and the kernel's rules.
func patiently(try func() error) error {
	end := time.Now().Add(time.Minute)
	for {
		err := try()
		if err == nil || time.Now().After(end) {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func resolve(name string) error {
	addresses, err := net.LookupHost(name)
	if err == nil {
		fmt.Println(strings.Join(addresses, " "))
	}
	return err
}

func get(url string) error {
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, answer.Status)
	}
	_, err = io.Copy(os.Stdout, answer.Body)
	return err
}

func serve(port, word string) error {
	ended, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	server := http.Server{Addr: ":" + port, Handler: http.HandlerFunc(
		func(answer http.ResponseWriter, request *http.Request) {
			caller, _, _ := net.SplitHostPort(request.RemoteAddr)
			fmt.Fprintln(answer, word, caller)
		})}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err := <-failed:
		return err
	case <-ended.Done():
		return server.Close()
	}
}
