//! Validation of what pods may ask for: volumes, environments, security, and what of them may change.

use expect_test::expect;

use super::tests::{check, check_change, pod};

fn volumes(volumes: &str) -> String {
    pod(&format!("{{volumes: [{volumes}], containers: [{{name: a, image: x}}]}}"))
}

fn container(fields: &str) -> String {
    pod(&format!("{{containers: [{{name: a, image: x, {fields}}}]}}"))
}

fn also(fields: &str) -> String {
    pod(&format!("{{containers: [{{name: a, image: x}}], {fields}}}"))
}

#[test]
fn sources_of_files() {
    check(
        &volumes(
            "{name: a, emptyDir: {sizeLimit: -1}}, {name: b, hostPath: {path: ../x, type: Tape}}, {name: c, gitRepo: {repository: '', directory: ../x}}, {name: d, secret: {secretName: s, defaultMode: 1000, items: [{key: k, path: ../x}, {key: '', path: '', mode: -1}]}}, {name: e, downwardAPI: {items: [{path: p}, {path: /q, fieldRef: {fieldPath: spec.nodeName}, resourceFieldRef: {resource: limits.cpu}}, {path: r, resourceFieldRef: {containerName: a, resource: limits.x}}, {path: s, fieldRef: {fieldPath: \"metadata.labels['a b']\"}}]}}, {name: f, image: {reference: '', pullPolicy: Often}}",
        ),
        expect![[r#"
            spec.volumes[0].emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity
            spec.volumes[1].hostPath.path: Invalid value: "../x": must not contain '..'
            spec.volumes[1].hostPath.type: Unsupported value: "Tape": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"
            spec.volumes[2].gitRepo.repository: Required value
            spec.volumes[2].gitRepo.directory: Invalid value: "../x": must not contain '..'
            spec.volumes[3].secret.defaultMode: Invalid value: 1000: must be a number between 0 and 0777 (octal), both inclusive
            spec.volumes[3].secret.items[0].path: Invalid value: "../x": must not contain '..'
            spec.volumes[3].secret.items[1].key: Required value
            spec.volumes[3].secret.items[1].path: Required value
            spec.volumes[3].secret.items[1].mode: Invalid value: -1: must be a number between 0 and 0777 (octal), both inclusive
            spec.volumes[4].downwardAPI: Required value: one of fieldRef and resourceFieldRef is required
            spec.volumes[4].downwardAPI.path: Invalid value: "/q": must be a relative path
            spec.volumes[4].downwardAPI.fieldRef.fieldPath: Unsupported value: "spec.nodeName": supported values: "metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"
            spec.volumes[4].downwardAPI: Invalid value: "resource": fieldRef and resourceFieldRef can not be specified simultaneously
            spec.volumes[4].downwardAPI.resourceFieldRef.resource: Unsupported value: "limits.x": supported values: "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"
            spec.volumes[4].downwardAPI.fieldRef: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            spec.volumes[5].image.reference: Required value
            spec.volumes[5].image.pullPolicy: Unsupported value: "Often": supported values: "Always", "IfNotPresent", "Never"
        "#]],
    );
    check(
        &volumes(
            "{name: a, projected: {defaultMode: 600, sources: [{}, {secret: {name: ''}}, {configMap: {name: c, items: [{key: k, path: p}]}}, {secret: {name: s, items: [{key: k, path: p}]}}, {serviceAccountToken: {path: '', expirationSeconds: 5}}, {secret: {name: s}, configMap: {name: c}}, {clusterTrustBundle: {path: t}}, {clusterTrustBundle: {name: n, signerName: a.b/c, path: t}}]}}",
        ),
        expect![[r#"
            spec.volumes[0].projected.defaultMode: Invalid value: 600: must be a number between 0 and 0777 (octal), both inclusive
            spec.volumes[0].projected.sources[1].secret.name: Required value
            spec.volumes[0].projected: Invalid value: "s": conflicting duplicate paths
            spec.volumes[0].projected.sources[4].serviceAccountToken.expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes
            spec.volumes[0].projected.path: Required value
            spec.volumes[0].projected.sources[5]: Forbidden: may not specify more than 1 volume type per source
            spec.volumes[0].projected.sources[6].clusterTrustBundle: Required value: either name or signerName must be specified
            spec.volumes[0].projected.sources[7].clusterTrustBundle: Invalid value: {"Name":"n","SignerName":"a.b/c","LabelSelector":null,"Optional":null,"Path":"t"}: only one of name and signerName may be used
            spec.volumes[0].projected: Invalid value: "t": conflicting duplicate paths
        "#]],
    );
    check(
        &volumes(
            "{name: a, ephemeral: {}}, {name: b, ephemeral: {volumeClaimTemplate: {metadata: {name: x}, spec: {accessModes: [Often]}}}}, {name: c, persistentVolumeClaim: {claimName: C}}",
        ),
        expect![[r#"
            spec.volumes[0].ephemeral.volumeClaimTemplate: Required value
            spec.volumes[1].ephemeral.volumeClaimTemplate.metadata.name: Forbidden: cannot be set
            spec.volumes[1].ephemeral.volumeClaimTemplate.spec.accessModes: Unsupported value: "Often": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"
            spec.volumes[1].ephemeral.volumeClaimTemplate.spec.resources[storage]: Required value
        "#]],
    );
}

#[test]
fn sources_elsewhere() {
    check(
        &volumes(
            "{name: a, gcePersistentDisk: {pdName: '', partition: 300}}, {name: b, awsElasticBlockStore: {volumeID: '', partition: -1}}, {name: c, nfs: {server: '', path: x}}, {name: d, iscsi: {targetPortal: '', iqn: x, lun: 300, chapAuthDiscovery: true}}, {name: e, glusterfs: {endpoints: '', path: ''}}, {name: f, flocker: {}}, {name: g, rbd: {monitors: [], image: ''}}, {name: h, cinder: {volumeID: '', secretRef: {name: ''}}}, {name: i, cephfs: {monitors: []}}, {name: j, quobyte: {registry: a, volume: ''}}",
        ),
        expect![[r#"
            spec.volumes[0].persistentDisk.pdName: Required value
            spec.volumes[0].persistentDisk.partition: Invalid value: 300: must be between 1 and 255, inclusive
            spec.volumes[1].awsElasticBlockStore.volumeID: Required value
            spec.volumes[1].awsElasticBlockStore.partition: Invalid value: -1: must be between 1 and 255, inclusive
            spec.volumes[2].nfs.server: Required value
            spec.volumes[2].nfs.path: Invalid value: "x": must be an absolute path
            spec.volumes[3].iscsi.targetPortal: Required value
            spec.volumes[3].iscsi.iqn: Invalid value: "x": must be valid format starting with iqn, eui, or naa
            spec.volumes[3].iscsi.lun: Invalid value: 300: must be between 0 and 255, inclusive
            spec.volumes[3].iscsi.secretRef: Required value
            spec.volumes[4].glusterfs.endpoints: Required value
            spec.volumes[4].glusterfs.path: Required value
            spec.volumes[5].flocker: Required value: one of datasetName and datasetUUID is required
            spec.volumes[6].rbd.monitors: Required value
            spec.volumes[6].rbd.image: Required value
            spec.volumes[7].cinder.volumeID: Required value
            spec.volumes[7].cinder.secretRef.name: Required value
            spec.volumes[8].cephfs.monitors: Required value
            spec.volumes[9].quobyte.registry: Invalid value: "a": must be a host:port pair or multiple pairs separated by commas
            spec.volumes[9].quobyte.volume: Required value
        "#]],
    );
    check(
        &volumes(
            "{name: a, vsphereVolume: {volumePath: ''}}, {name: b, fc: {}}, {name: c, azureFile: {secretName: '', shareName: ''}}, {name: d, azureDisk: {diskName: '', diskURI: x, cachingMode: Much, kind: Odd}}, {name: e, portworxVolume: {volumeID: ''}}, {name: f, scaleIO: {gateway: '', system: '', secretRef: {name: ''}}}, {name: g, storageos: {volumeName: ''}}, {name: h, csi: {driver: '', nodePublishSecretRef: {name: ''}}}, {name: i, photonPersistentDisk: {pdID: ''}}",
        ),
        expect![[r#"
            spec.volumes[0].vsphereVolume.volumePath: Required value
            spec.volumes[1].fc.targetWWNs: Required value: must specify either targetWWNs or wwids, but not both
            spec.volumes[2].azureFile.secretName: Required value
            spec.volumes[2].azureFile.shareName: Required value
            spec.volumes[3].azureDisk.diskName: Required value
            spec.volumes[3].azureDisk.cachingMode: Unsupported value: "Much": supported values: "None", "ReadOnly", "ReadWrite"
            spec.volumes[3].azureDisk.kind: Unsupported value: "Odd": supported values: "Dedicated", "Managed", "Shared"
            spec.volumes[3].azureDisk.diskURI: Unsupported value: "x": supported values: "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
            spec.volumes[4].portworxVolume.volumeID: Required value
            spec.volumes[5].scaleIO.gateway: Required value
            spec.volumes[5].scaleIO.system: Required value
            spec.volumes[5].scaleIO.volumeName: Required value
            spec.volumes[6].storageos.volumeName: Required value
            spec.volumes[7].csi.driver: Required value
            spec.volumes[7].csi.driver: Invalid value: "": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            spec.volumes[7].csi.nodePublishSecretRef.name: Required value
            spec.volumes[8].photonPersistentDisk.pdID: Required value
        "#]],
    );
}

#[test]
fn mounts() {
    check(
        &pod(
            "{volumes: [{name: v, emptyDir: {}}, {name: c, persistentVolumeClaim: {claimName: c}}], containers: [{name: a, image: x, volumeMounts: [{name: '', mountPath: /a}, {name: v, mountPath: /b, subPath: a, subPathExpr: b}, {name: v, mountPath: /c, mountPropagation: Sideways}, {name: v, mountPath: /d, mountPropagation: Bidirectional}, {name: v, mountPath: /e, recursiveReadOnly: Enabled}, {name: v, mountPath: /f, recursiveReadOnly: Much}, {name: c, mountPath: /g}], volumeDevices: [{name: '', devicePath: ''}, {name: v, devicePath: /b}, {name: w, devicePath: ../x}, {name: c, devicePath: /dev/c}]}]}",
        ),
        expect![[r#"
            spec.containers[0].volumeMounts[0].name: Required value
            spec.containers[0].volumeMounts[0].name: Not found: ""
            spec.containers[0].volumeMounts[0].name: Invalid value: "": must not already exist in volumeDevices
            spec.containers[0].volumeMounts[1].name: Invalid value: "v": must not already exist in volumeDevices
            spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/b": must not already exist as a path in volumeDevices
            spec.containers[0].volumeMounts[1].subPathExpr: Invalid value: "b": subPathExpr and subPath are mutually exclusive
            spec.containers[0].volumeMounts[2].name: Invalid value: "v": must not already exist in volumeDevices
            spec.containers[0].volumeMounts.mountPropagation: Unsupported value: "Sideways": supported values: "Bidirectional", "HostToContainer", "None"
            spec.containers[0].volumeMounts[3].name: Invalid value: "v": must not already exist in volumeDevices
            spec.containers[0].volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers
            spec.containers[0].volumeMounts[4].name: Invalid value: "v": must not already exist in volumeDevices
            spec.containers[0].volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is true
            spec.containers[0].volumeMounts[5].name: Invalid value: "v": must not already exist in volumeDevices
            spec.containers[0].volumeMounts.recursiveReadOnly: Unsupported value: "Much": supported values: "Disabled", "Enabled", "IfPossible"
            spec.containers[0].volumeMounts[6].name: Invalid value: "c": must not already exist in volumeDevices
            spec.containers[0].volumeDevices[0].name: Required value
            spec.containers[0].volumeDevices[0].name: Not found: ""
            spec.containers[0].volumeDevices[0].devicePath: Required value
            spec.containers[0].volumeDevices[0].name: Invalid value: "": must not already exist in volumeMounts
            spec.containers[0].volumeDevices[1].name: Invalid value: "v": can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode
            spec.containers[0].volumeDevices[1].name: Invalid value: "v": must not already exist in volumeMounts
            spec.containers[0].volumeDevices[2].name: Not found: "w"
            spec.containers[0].volumeDevices[2].devicePath: Invalid value: "../x": can not contain backsteps ('..')
            spec.containers[0].volumeDevices[3].name: Invalid value: "c": must not already exist in volumeMounts
        "#]],
    );
}

#[test]
fn environments() {
    check(
        &container(
            "env: [{name: a, valueFrom: {fieldRef: {fieldPath: ''}}}, {name: b, valueFrom: {fieldRef: {apiVersion: v2, fieldPath: metadata.name}}}, {name: c, valueFrom: {fieldRef: {fieldPath: metadata.labels}}}, {name: d, valueFrom: {fieldRef: {fieldPath: \"metadata.labels['a b']\"}}}, {name: e, valueFrom: {resourceFieldRef: {resource: ''}}}, {name: f, valueFrom: {resourceFieldRef: {resource: limits.x}}}, {name: g, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: '3'}}}, {name: h, valueFrom: {configMapKeyRef: {name: c, key: ''}}}, {name: i, valueFrom: {secretKeyRef: {name: '', key: ../k}}}, {name: j, valueFrom: {secretKeyRef: {name: s, key: k}, configMapKeyRef: {name: c, key: k}}}, {name: k, valueFrom: {fileKeyRef: {volumeName: v, path: /x, key: ''}}}]",
        ),
        expect![[r#"
            spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Required value
            spec.containers[0].env[1].valueFrom.fieldRef.fieldPath: Invalid value: "metadata.name": error converting fieldPath: unsupported pod version: v2
            spec.containers[0].env[2].valueFrom.fieldRef.fieldPath: Unsupported value: "metadata.labels": supported values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"
            spec.containers[0].env[3].valueFrom.fieldRef: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            spec.containers[0].env[4].valueFrom.resourceFieldRef.resource: Required value
            spec.containers[0].env[5].valueFrom.resourceFieldRef.resource: Unsupported value: "limits.x": supported values: "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"
            spec.containers[0].env[6].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor's values 1m and 1 are supported with the cpu resource
            spec.containers[0].env[7].valueFrom.configMapKeyRef.key: Required value
            spec.containers[0].env[8].valueFrom.secretKeyRef.name: Invalid value: "": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            spec.containers[0].env[8].valueFrom.secretKeyRef.key: Invalid value: "../k": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')
            spec.containers[0].env[8].valueFrom.secretKeyRef.key: Invalid value: "../k": must not start with '..'
            spec.containers[0].env[9].valueFrom: Invalid value: "": may not have more than one field specified at a time
            spec.containers[0].env[10].valueFrom.fileKeyRef.path: Invalid value: "/x": must be a relative path
            spec.containers[0].env[10].valueFrom.fileKeyRef.key: Required value
            spec.containers[0].env[10].valueFrom.fileKeyRef.volumeName: Not found: "v"
        "#]],
    );
    check(
        &container(
            "envFrom: [{}, {prefix: 'a=', configMapRef: {name: ''}}, {secretRef: {name: S}}, {secretRef: {name: s}, configMapRef: {name: c}}]",
        ),
        expect![[r#"
            spec.containers[0].envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`
            spec.containers[0].envFrom[1].prefix: Invalid value: "a=": a valid environment variable name must consist only of printable ASCII characters other than '='
            spec.containers[0].envFrom[1].configMapRef.name: Required value
            spec.containers[0].envFrom[2].secretRef.name: Invalid value: "S": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            spec.containers[0].envFrom: Invalid value: "": may not have more than one field specified at a time
        "#]],
    );
}

#[test]
fn security() {
    check(
        &container(
            "securityContext: {privileged: true, allowPrivilegeEscalation: false, runAsUser: -1, runAsGroup: -1, procMount: Odd, seccompProfile: {type: Localhost}, appArmorProfile: {type: Odd}, capabilities: {add: [CAP_SYS_ADMIN]}}",
        ),
        expect![[r#"
            spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive
            spec.containers[0].securityContext.runAsGroup: Invalid value: -1: must be between 0 and 2147483647, inclusive
            spec.containers[0].securityContext.procMount: Unsupported value: "Odd": supported values: "Default", "Unmasked"
            spec.containers[0].securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost
            spec.containers[0].securityContext: Invalid value: {"Capabilities":{"Add":["CAP_SYS_ADMIN"],"Drop":null},"Privileged":true,"SELinuxOptions":null,"WindowsOptions":null,"RunAsUser":-1,"RunAsGroup":-1,"RunAsNonRoot":null,"ReadOnlyRootFilesystem":null,"AllowPrivilegeEscalation":false,"ProcMount":"Odd","SeccompProfile":{"type":"Localhost"},"AppArmorProfile":{"type":"Odd"}}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true
            spec.containers[0].securityContext: Invalid value: {"Capabilities":{"Add":["CAP_SYS_ADMIN"],"Drop":null},"Privileged":true,"SELinuxOptions":null,"WindowsOptions":null,"RunAsUser":-1,"RunAsGroup":-1,"RunAsNonRoot":null,"ReadOnlyRootFilesystem":null,"AllowPrivilegeEscalation":false,"ProcMount":"Odd","SeccompProfile":{"type":"Localhost"},"AppArmorProfile":{"type":"Odd"}}: cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN
            spec.containers[0].securityContext.appArmorProfile.type: Unsupported value: "Odd": supported values: "Localhost", "RuntimeDefault", "Unconfined"
        "#]],
    );
    check(
        &container(
            "securityContext: {procMount: Unmasked, seccompProfile: {type: RuntimeDefault, localhostProfile: x}, appArmorProfile: {type: Localhost, localhostProfile: ' '}}",
        ),
        expect![[r#"
            spec.containers[0].securityContext.procMount: Invalid value: "Unmasked": `hostUsers` must be false to use `Unmasked`
            spec.containers[0].securityContext.seccompProfile.localhostProfile: Invalid value: {"Type":"RuntimeDefault","LocalhostProfile":"x"}: can only be set when seccomp type is Localhost
            spec.containers[0].securityContext.appArmorProfile.localhostProfile: Invalid value: " ": must not be padded with whitespace
        "#]],
    );
    check(
        &also(
            "shareProcessNamespace: true, hostPID: true, hostUsers: false, hostNetwork: true, securityContext: {fsGroup: -1, supplementalGroups: [0, -1], fsGroupChangePolicy: Often, supplementalGroupsPolicy: Odd, sysctls: [{name: '', value: x}, {name: a b}, {name: kernel.shm_rmid_forced, value: '1'}, {name: kernel/shm_rmid_forced, value: '1'}], seccompProfile: {type: Odd}}",
        ),
        expect![[r#"
            spec.securityContext.fsGroup: Invalid value: -1: must be between 0 and 2147483647, inclusive
            spec.securityContext.supplementalGroups[1]: Invalid value: -1: must be between 0 and 2147483647, inclusive
            spec.securityContext.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled
            spec.securityContext.sysctls[0].name: Required value
            spec.securityContext.sysctls[1].name: Invalid value: "a b": must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$
            spec.securityContext.fsGroupChangePolicy: Unsupported value: "Often": supported values: "Always", "OnRootMismatch"
            spec.securityContext.seccompProfile.type: Unsupported value: "Odd": supported values: "Localhost", "RuntimeDefault", "Unconfined"
            spec.securityContext.supplementalGroupsPolicy: Unsupported value: "Odd": supported values: "Merge", "Strict"
            spec.hostNetwork: Forbidden: when `pod.Spec.HostUsers` is false
            spec.HostPID: Forbidden: when `pod.Spec.HostUsers` is false
        "#]],
    );
}

#[test]
fn names_and_addresses() {
    check(
        &also(
            "dnsPolicy: None, hostAliases: [{ip: x, hostnames: [a_b]}], subdomain: a.b, serviceAccountName: A, nodeName: N, priorityClassName: P, runtimeClassName: R, schedulerName: S, imagePullSecrets: [{name: ''}], readinessGates: [{conditionType: a b}], terminationGracePeriodSeconds: -1, preemptionPolicy: Odd, schedulingGates: [{name: a}, {name: a}], overhead: {chairs: 3}, os: {name: plan9}, setHostnameAsFQDN: true, hostnameOverride: a",
        ),
        expect![[r#"
            spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None
            spec.readinessGates[0].conditionType: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            spec.schedulingGates[1]: Duplicate value: "a"
            spec.serviceAccountName: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            spec.nodeName: Invalid value: "N": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            spec.subdomain: Invalid value: "a.b": must not contain dots
            spec.hostnameOverride: Forbidden: may not be specified when setHostnameAsFQDN is true
            spec.hostAliases[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)
            spec.hostAliases[0].hostnames[0]: Invalid value: "a_b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            spec.priorityClassName: Invalid value: "P": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            spec.runtimeClassName: Invalid value: "R": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            spec.preemptionPolicy: Unsupported value: "Odd": supported values: "PreemptLowerPriority", "Never"
            spec.overhead.limits[chairs]: Invalid value: "chairs": must be a standard resource type or fully qualified
            spec.overhead.limits[chairs]: Invalid value: "chairs": must be a standard resource for containers
            spec.os: Unsupported value: "plan9": supported values: "linux", "windows"
            spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared
        "#]],
    );
    check(
        &also(
            "dnsConfig: {nameservers: [x, 10.0.0.1, 10.0.0.2, 10.0.0.3], searches: [a_b, a b, a.], options: [{value: x}]}",
        ),
        expect![[r#"
            spec.dnsConfig.nameservers: Invalid value: ["x","10.0.0.1","10.0.0.2","10.0.0.3"]: must not have more than 3 nameservers
            spec.dnsConfig.nameservers[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)
            spec.dnsConfig.searches[1]: Invalid value: "a b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')
            spec.dnsConfig.options[0]: Required value: must not be empty
        "#]],
    );
}

#[test]
fn ports() {
    check(
        &pod(
            "{hostNetwork: true, containers: [{name: a, image: x, ports: [{name: p, containerPort: 80, hostPort: 81}, {name: p, containerPort: 81}]}, {name: b, image: x, ports: [{containerPort: 80}, {containerPort: 81, hostPort: 70000}]}]}",
        ),
        expect![[r#"
            spec.containers[0].ports[1].name: Duplicate value: "p"
            spec.containers[1].ports[1].hostPort: Invalid value: 70000: must be between 1 and 65535, inclusive
            spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//81"
            spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true
            spec.containers[1].ports[1].hostPort: Invalid value: 70000: must match `containerPort` when `hostNetwork` is true
        "#]],
    );
}

#[test]
fn spreading() {
    check(
        &also(
            "topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: ScheduleAnyway, minDomains: 2}, {maxSkew: 1, topologyKey: a, whenUnsatisfiable: ScheduleAnyway, matchLabelKeys: [a, a, a b]}, {maxSkew: 1, topologyKey: b, whenUnsatisfiable: DoNotSchedule, minDomains: 0, nodeAffinityPolicy: Often, nodeTaintsPolicy: Odd, labelSelector: {matchLabels: {k: v}, matchExpressions: [{key: k, operator: In, values: [v]}]}, matchLabelKeys: [k]}]",
        ),
        expect![[r#"
            spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: "{a, ScheduleAnyway}"
            spec.topologySpreadConstraints[0].minDomains: Invalid value: 2: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway
            spec.topologySpreadConstraints[1].matchLabelKeys: Forbidden: must not be specified when labelSelector is not set
            spec.topologySpreadConstraints[1].matchLabelKeys[2]: Invalid value: "a b": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
            spec.topologySpreadConstraints[2].minDomains: Invalid value: 0: must be greater than zero
            spec.topologySpreadConstraints[2].nodeAffinityPolicy: Unsupported value: "Often": supported values: "Honor", "Ignore"
            spec.topologySpreadConstraints[2].nodeTaintsPolicy: Unsupported value: "Odd": supported values: "Honor", "Ignore"
            spec.topologySpreadConstraints[2].matchLabelKeys[0]: Invalid value: "k": exists in both matchLabelKeys and labelSelector
        "#]],
    );
    check(
        &also(
            "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: []}, preferredDuringSchedulingIgnoredDuringExecution: [{weight: 101, preference: {matchFields: [{key: metadata.uid, operator: In, values: [a, b]}]}}]}, podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: a, namespaces: [A], labelSelector: {matchExpressions: [{key: a, operator: Near}]}, matchLabelKeys: [k], mismatchLabelKeys: [k]}]}}",
        ),
        expect![[r#"
            spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term
            spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 101: must be in the range 1-100
            spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchFields[0].values: Required value: must be only one value when `operator` is 'In' or 'NotIn' for node field selector
            spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchFields[0].key: Invalid value: "metadata.uid": not a valid field selector key
            spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector.matchExpressions[0].operator: Invalid value: "Near": not a valid selector operator
            spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].namespace: Invalid value: "A": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
            spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].matchLabelKeys[0]: Invalid value: "k": exists in both matchLabelKeys and mismatchLabelKeys
        "#]],
    );
}

#[test]
fn containers_of_every_kind() {
    check(
        &pod(
            "{initContainers: [{name: a, image: x, lifecycle: {preStop: {sleep: {seconds: 0}}}}, {name: b, image: x, restartPolicy: Often}, {name: c, image: x, restartPolicy: Always, lifecycle: {postStart: {}, preStop: {sleep: {seconds: 50}}}}], containers: [{name: a, image: x, resizePolicy: [{resourceName: disk, restartPolicy: Odd}, {resourceName: cpu, restartPolicy: NotRequired}, {resourceName: cpu, restartPolicy: NotRequired}], terminationMessagePolicy: Odd}, {name: d, image: x, restartPolicy: Never, restartPolicyRules: [{action: Stop}, {action: Restart, exitCodes: {operator: Near, values: [1, 1]}}]}, {name: e, image: x, lifecycle: {preStop: {httpGet: {port: 1, path: '', httpHeaders: [{name: 'a b'}]}}, stopSignal: SIGODD}, livenessProbe: {grpc: {port: 0}, terminationGracePeriodSeconds: 0}, readinessProbe: {tcpSocket: {port: 1}, terminationGracePeriodSeconds: 1}}]}",
        ),
        expect![[r#"
            spec.containers[0].terminationMessagePolicy: Unsupported value: "Odd": supported values: "File", "FallbackToLogsOnError"
            spec.containers[0].resizePolicy: Unsupported value: "disk": supported values: "cpu", "memory"
            spec.containers[0].resizePolicy: Unsupported value: "Odd": supported values: "NotRequired", "RestartContainer"
            spec.containers[0].resizePolicy[2]: Duplicate value: "cpu"
            spec.containers[1].restartPolicyRules[0].action: Unsupported value: "Stop": supported values: "Restart"
            spec.containers[1].restartPolicyRules[0].exitCodes: Required value: must be specified
            spec.containers[1].restartPolicyRules[1].exitCodes.operator: Unsupported value: "Near": supported values: "In", "NotIn"
            spec.containers[2].lifecycle.preStop.httpGet.httpHeaders: Invalid value: "a b": a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')
            spec.containers[2].livenessProbe.grpc.port: Invalid value: 0: must be between 1 and 65535, inclusive
            spec.containers[2].livenessProbe.terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0
            spec.containers[2].readinessProbe.terminationGracePeriodSeconds: Invalid value: 1: must not be set for readinessProbes
            spec.initContainers[0].name: Duplicate value: "a"
            spec.initContainers[0].lifecycle: Forbidden: may not be set for init containers without restartPolicy=Always
            spec.initContainers[1].restartPolicy: Unsupported value: "Often": supported values: "Always", "Never", "OnFailure"
            spec.initContainers[2].lifecycle.postStart: Required value: must specify a handler type
            spec.initContainers[2].lifecycle.preStop.sleep: Invalid value: 50: must be non-negative and less than terminationGracePeriodSeconds (30)
        "#]],
    );
}

#[test]
fn what_of_a_pod_may_change() {
    let gated = also("schedulingGates: [{name: a}, {name: b}], nodeSelector: {k: v}");
    check_change(
        &also("schedulingGates: [{name: a}], nodeSelector: {k: v, l: w}"),
        Some(&gated),
        expect![[""]],
    );
    check_change(
        &also("schedulingGates: [{name: a}, {name: c}], nodeSelector: {k: w}"),
        Some(&gated),
        expect![[r#"
            spec.schedulingGates[1].name: Forbidden: only deletion is allowed, but found new scheduling gate 'c'
            spec.nodeSelector: Invalid value: {"k":"w"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)
        "#]],
    );
    let limited = also("activeDeadlineSeconds: 10, tolerations: [{key: k, operator: Exists}]");
    check_change(
        &also("activeDeadlineSeconds: 11, tolerations: [{key: l, operator: Exists}]"),
        Some(&limited),
        expect![[r#"
            spec.activeDeadlineSeconds: Invalid value: 11: must be less than or equal to previous value
        "#]],
    );
    check_change(
        &also("activeDeadlineSeconds: 9"),
        Some(&limited),
        expect![[r#"
        spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds
    "#]],
    );
    check_change(
        &pod("{containers: [{name: a, image: x}, {name: b, image: x}]}"),
        Some(&also("nodeName: n")),
        expect![[r#"
            spec.containers: Forbidden: pod updates may not add or remove containers
        "#]],
    );
    let static_pod = "{apiVersion: v1, kind: Pod, metadata: {name: web, annotations: {kubernetes.io/config.mirror: x}}, spec: {containers: [{name: a, image: x}]}}";
    check(
        static_pod,
        expect![[r#"
        metadata.annotations[kubernetes.io/config.mirror]: Invalid value: "x": must set spec.nodeName if mirror pod annotation is set
    "#]],
    );
}
