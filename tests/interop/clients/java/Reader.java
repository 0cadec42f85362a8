import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.ArrayList;
import java.util.List;

/**
 * Reads a held answer, a stream and a resume with the standard library alone. It has no JSON, so what was read is
 * written as it came: for each event its name, its id and its data on one line.
 * Arguments: the gateway's URL, the id of a job that has ended, and a URL of a stream with pings.
 */
public class Reader {
  record Event(String name, String id, String data) {}

  static final HttpClient CLIENT = HttpClient.newHttpClient();

  static List<Event> read(String url, String lastId) throws Exception {
    var request = HttpRequest.newBuilder(URI.create(url));
    if (lastId != null) request.header("Last-Event-ID", lastId);
    var found = new ArrayList<Event>();
    var state = new String[] {"message", "", ""};
    CLIENT.send(request.build(), BodyHandlers.ofLines()).body().forEach(line -> {
      var parts = line.split(": ", 2);
      if (line.isEmpty()) {
        if (!state[2].isEmpty()) found.add(new Event(state[0], state[1], state[2]));
        state[0] = "message";
        state[2] = "";
      } else if (parts[0].equals("event")) state[0] = parts[1];
      else if (parts[0].equals("id")) state[1] = parts[1];
      else if (parts[0].equals("data")) state[2] += parts[1];
    });
    return found;
  }

  static void write(String part, List<Event> events) {
    for (var one : events) System.out.println(String.join("\t", part, one.name(), one.id(), one.data()));
  }

  public static void main(String[] args) throws Exception {
    System.setOut(new java.io.PrintStream(System.out, true, "UTF-8"));
    var url = args[0] + "/jobs/" + args[1] + "/events";
    var found = read(url, null);
    var half = found.size() / 2;
    write("text", found);
    write("resumed", found.subList(0, half + 1));
    write("resumed", read(url, found.get(half).id()));
    write("pings", read(args[2], null));
    var body = "{\"job_id\": \"held-java\", \"meta\": {}, \"content\": \"held\\u2028answer\"}";
    var request = HttpRequest.newBuilder(URI.create(args[0] + "/generate"))
        .header("content-type", "application/json").POST(BodyPublishers.ofString(body)).build();
    var answer = CLIENT.send(request, BodyHandlers.ofString()).body();
    System.out.println(String.join("\t", "held", "", "", answer));
    System.out.println(String.join("\t", "client", "", "", "Java " + Runtime.version() + ", java.net.http"));
  }
}
