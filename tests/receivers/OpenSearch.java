import java.util.concurrent.CountDownLatch;
import org.codelibs.opensearch.runner.OpenSearchRunner;

/** One OpenSearch node on 127.0.0.1, on the data in a folder: {@code java -cp 'libs/*' OpenSearch.java FOLDER HTTP TRANSPORT}. */
class OpenSearch {
    public static void main(String[] arguments) throws InterruptedException {
        OpenSearchRunner runner = new OpenSearchRunner();
        runner.onBuild((number, settings) -> {
            settings.put("network.host", "127.0.0.1");
            settings.put("http.port", arguments[1]);
            settings.put("transport.port", arguments[2]);
            settings.put("discovery.type", "single-node");
            // A full disk of the machine that tests is not what is tested.
            settings.put("cluster.routing.allocation.disk.threshold_enabled", "false");
            settings.put("node.processors", "2");
        });
        runner.build(OpenSearchRunner.newConfigs().clusterName("cloverwatch-tests").numOfNode(1).basePath(arguments[0]));
        new CountDownLatch(1).await();
    }
}
