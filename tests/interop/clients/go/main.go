// Reads a held answer, a stream and a resume with the standard library alone, by bufio.Scanner with its own limit.
// Arguments: the gateway's URL, the id of a job that has ended, and a URL of a stream with pings.
package main

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"runtime"
	"strings"
)

type event struct{ name, id, text string }

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func read(url string, lastID string) []event {
	request, err := http.NewRequest("GET", url, nil)
	check(err)
	if lastID != "" {
		request.Header.Set("Last-Event-ID", lastID)
	}
	reply, err := http.DefaultClient.Do(request)
	check(err)
	defer reply.Body.Close()
	var found []event
	name, id, data := "message", "", ""
	scanner := bufio.NewScanner(reply.Body)
	for scanner.Scan() {
		line := scanner.Text()
		field, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "" && data != "":
			var parsed struct{ Text string }
			check(json.Unmarshal([]byte(data), &parsed))
			found = append(found, event{name, id, parsed.Text})
			name, data = "message", ""
		case line == "":
			name = "message"
		case field == "event":
			name = value
		case field == "id":
			id = value
		case field == "data":
			data += value
		}
	}
	check(scanner.Err())
	return found
}

func text(events []event) string {
	all := ""
	for _, one := range events {
		if one.name == "delta" {
			all += one.text
		}
	}
	return all
}

func held(url string) string {
	body := `{"job_id": "held-go", "meta": {}, "content": "held\u2028answer"}`
	reply, err := http.Post(url+"/generate", "application/json", strings.NewReader(body))
	check(err)
	defer reply.Body.Close()
	var answer struct{ Content string }
	check(json.NewDecoder(reply.Body).Decode(&answer))
	return answer.Content
}

func main() {
	url, events, pings := os.Args[1], os.Args[1]+"/jobs/"+os.Args[2]+"/events", os.Args[3]
	found := read(events, "")
	half := len(found) / 2
	names := []string{}
	for _, one := range read(pings, "") {
		names = append(names, one.name)
	}
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"client":  "Go net/http, " + runtime.Version(),
		"held":    held(url),
		"text":    text(found),
		"end":     found[len(found)-1].name,
		"resumed": text(found[:half+1]) + text(read(events, found[half].id)),
		"pings":   names,
	}))
}
